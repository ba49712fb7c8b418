using System.Diagnostics;

namespace Duologue.Fuzz.Engine;

/// <summary>How long to look, and from where.</summary>
/// <param name="Seed">The same seed, limit of executions and corpus make the same run, where the target itself is deterministic.</param>
/// <param name="MaxExecutions">Inputs to try.</param>
/// <param name="MaxTime">When to stop before that.</param>
internal sealed record CampaignOptions(int Seed, long MaxExecutions, TimeSpan MaxTime)
{
    /// <summary>Where the input under way is kept; null for nowhere.</summary>
    public string? JournalPath { get; init; }

    /// <summary>Told every few seconds.</summary>
    public Action<Campaign>? Progress { get; init; }
}

/// <summary>
/// One search for an input that breaks a target's invariant. Inputs that took a new way through the code join the corpus, and
/// their descendants are tried: guided by coverage where Duologue is instrumented, else by the target's signatures.
/// </summary>
internal sealed class Campaign
{
    private const int MaxCorpus = 4096;
    private const int MaxSignatures = 1 << 20;

    private static readonly TimeSpan ProgressInterval = TimeSpan.FromSeconds(10);

    private readonly FuzzTarget _target;
    private readonly CampaignOptions _options;
    private readonly CoverageMap? _coverage;
    private readonly Random _random;
    private readonly Mutator _mutator;
    private readonly List<byte[]> _corpus = [];
    private readonly HashSet<ulong> _signatures = [];

    public Campaign(FuzzTarget target, CampaignOptions options, CoverageMap? coverage)
    {
        _target = target;
        _options = options;
        _coverage = coverage;
        _random = new Random(options.Seed);
        _mutator = new Mutator(_random, target);
    }

    public FuzzTarget Target => _target;

    public long Executions { get; private set; }

    public TimeSpan Elapsed { get; private set; }

    /// <summary>Inputs that took a new way, in the order of their finding.</summary>
    public IReadOnlyList<byte[]> Corpus => _corpus;

    /// <summary>Distinct edges taken; null without coverage.</summary>
    public int? Edges => _coverage?.Edges;

    public int Signatures => _signatures.Count;

    public double ExecutionsPerSecond => Elapsed > TimeSpan.Zero ? Executions / Elapsed.TotalSeconds : 0;

    /// <summary>Runs the target's seeds and what is given, then what comes of them.</summary>
    /// <returns>The first input that breaks the invariant, cut down; null if none was found.</returns>
    public Finding? Run(IEnumerable<byte[]> known)
    {
        using CrashJournal? journal = _options.JournalPath is { } path ? new CrashJournal(path, Math.Max(_target.MaxLength, 1 << 20)) : null;
        var clock = Stopwatch.StartNew();
        TimeSpan next = ProgressInterval;
        foreach (byte[] input in _target.Seeds.Concat(known))
        {
            if (Try(input, journal) is { } finding)
            {
                return finding;
            }
        }

        if (_corpus.Count == 0)
        {
            _corpus.Add([]);
        }

        while (Executions < _options.MaxExecutions && clock.Elapsed < _options.MaxTime)
        {
            if (Try(Next(), journal) is { } finding)
            {
                return finding;
            }

            Elapsed = clock.Elapsed;
            if (Elapsed >= next)
            {
                next += ProgressInterval;
                _options.Progress?.Invoke(this);
            }
        }

        Elapsed = clock.Elapsed;
        return null;
    }

    /// <summary>The fewest, shortest inputs that together reach what the whole corpus reaches: what is worth keeping.</summary>
    public List<byte[]> Distill(int maxInputs, int maxLength)
    {
        var kept = new List<byte[]>();
        CoverageMap? fresh = _coverage is null ? null : new CoverageMap();
        var signatures = new HashSet<ulong>();
        foreach (byte[] input in _corpus.Where(input => input.Length <= maxLength).OrderBy(input => input.Length))
        {
            fresh?.Reset();
            ulong signature = _target.Run(input);
            if (kept.Count < maxInputs && (fresh?.Learn() ?? signatures.Add(signature)))
            {
                kept.Add(input);
            }
        }

        return kept;
    }

    private byte[] Next()
    {
        if (_random.Next(8) == 0)
        {
            return _target.Generate(_random);
        }

        // Half of the time from what was found last: it leads on.
        int from = _random.Next(2) == 0 ? Math.Max(0, _corpus.Count - 64) : 0;
        byte[] parent = _corpus[_random.Next(from, _corpus.Count)];
        byte[] other = _random.Next(4) == 0 ? _target.Generate(_random) : _corpus[_random.Next(_corpus.Count)];
        return _mutator.Mutate(parent, other);
    }

    private Finding? Try(byte[] input, CrashJournal? journal)
    {
        journal?.Write(input);
        Executions++;
        _coverage?.Reset();
        ulong signature;
        try
        {
            signature = _target.Run(input);
        }
        catch (Exception exception)
        {
            // Whatever it is: it is what the search is for, and is reported.
            return Minimizer.Shrink(new Finding(_target, _options.Seed, input, exception));
        }

        bool isNew = _signatures.Count < MaxSignatures && _signatures.Add(signature);
        if (_coverage is not null)
        {
            isNew = _coverage.Learn();
        }

        if (isNew && _corpus.Count < MaxCorpus)
        {
            _corpus.Add(input);
        }
        else if (isNew)
        {
            _corpus[_random.Next(MaxCorpus)] = input;
        }

        return null;
    }
}
