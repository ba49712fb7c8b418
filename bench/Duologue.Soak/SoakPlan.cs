using System.Globalization;

namespace Duologue.Soak;

/// <summary>What can happen to a cluster.</summary>
[Flags]
internal enum FaultKinds
{
    None = 0,
    KillNode = 1,
    KillRedis = 2,
    PauseRedis = 4,
    CutLink = 8,
    CutClients = 16,
    Roll = 32,
    SlowLink = 64,
    All = KillNode | KillRedis | PauseRedis | CutLink | CutClients | Roll | SlowLink,
}

/// <summary>One run: how many of what, for how long, and by which seed.</summary>
internal sealed record SoakPlan
{
    public int Seed { get; init; } = Random.Shared.Next();

    /// <summary>How long faults happen; what was published then is waited for.</summary>
    public TimeSpan Duration { get; init; } = TimeSpan.FromSeconds(60);

    public int Clients { get; init; } = 300;

    public int Topics { get; init; } = 50;

    /// <summary>Topics that each client reads.</summary>
    public int TopicsOfClient { get; init; } = 2;

    /// <summary>Messages a second and topic, while all goes well.</summary>
    public double Rate { get; init; } = 2;

    public FaultKinds Faults { get; init; } = FaultKinds.All;

    /// <summary>The mean pause between two faults.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long a rolling restart waits for clients to come back before the next node goes.</summary>
    public TimeSpan Calm { get; init; } = TimeSpan.FromSeconds(8);

    /// <summary>A file of <c>samples/Cluster</c>.</summary>
    public string Balancer { get; init; } = "haproxy.cfg";

    /// <summary>Whether Redis keeps what it has confirmed over its death.</summary>
    public bool IsPersistent { get; init; } = true;

    /// <summary>For how long what was published is waited for at the end. Reached by a program that is broken, and by no machine that is slow.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(4);

    /// <summary>What does the same again; threads and processes have their own order.</summary>
    public string Command
    {
        get
        {
            var byDefault = new SoakPlan();
            List<string> words = ["dotnet run -c Release --project bench/Duologue.Soak --", string.Create(CultureInfo.InvariantCulture, $"--seed {Seed} --duration {Duration.TotalSeconds}")];
            Add("--clients", Clients, byDefault.Clients);
            Add("--topics", Topics, byDefault.Topics);
            Add("--rate", Rate, byDefault.Rate);
            Add("--pause", Pause.TotalSeconds, byDefault.Pause.TotalSeconds);
            Add("--faults", Faults.ToString().Replace(" ", "", StringComparison.Ordinal), byDefault.Faults.ToString());
            Add("--balancer", Balancer, byDefault.Balancer);
            if (!IsPersistent)
            {
                words.Add("--forgetful");
            }

            return string.Join(' ', words);

            void Add<T>(string name, T value, T usual)
            {
                if (!Equals(value, usual))
                {
                    words.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {value}"));
                }
            }
        }
    }

    /// <exception cref="SoakException">The arguments cannot be understood.</exception>
    public static SoakPlan Parse(string[] arguments)
    {
        var plan = new SoakPlan();
        var rest = new Queue<string>(arguments);
        while (rest.TryDequeue(out string? name))
        {
            plan = name switch
            {
                "--forgetful" => plan with { IsPersistent = false },
                "--seed" => plan with { Seed = (int)Number(0, int.MaxValue) },
                "--duration" => plan with { Duration = TimeSpan.FromSeconds(Number(1, 86_400)) },
                "--clients" => plan with { Clients = (int)Number(6, 5_000) },
                "--topics" => plan with { Topics = (int)Number(2, 5_000) },
                "--rate" => plan with { Rate = Number(0.01, 1_000) },
                "--pause" => plan with { Pause = TimeSpan.FromSeconds(Number(0.1, 3_600)) },
                "--balancer" => plan with { Balancer = Value() },
                "--faults" => plan with { Faults = Enum.TryParse(Value(), ignoreCase: true, out FaultKinds faults) ? faults : throw new SoakException($"--faults takes some of {string.Join(",", Enum.GetNames<FaultKinds>())}.") },
                _ => throw new SoakException($"There is no option {name}. There are --seed, --duration, --clients, --topics, --rate, --pause (seconds), --faults, --balancer FILE of samples/Cluster, --forgetful; or roll."),
            };

            string Value() => rest.TryDequeue(out string? value) ? value : throw new SoakException($"{name} needs a value.");

            double Number(double least, double most) => double.TryParse(Value(), CultureInfo.InvariantCulture, out double number) && number >= least && number <= most
                ? number
                : throw new SoakException(string.Create(CultureInfo.InvariantCulture, $"{name} takes a number from {least} to {most}."));
        }

        return plan;
    }
}
