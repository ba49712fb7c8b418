using System.Globalization;
using System.Text;

namespace Duologue.Backplane;

/// <summary>What came of one fault.</summary>
/// <param name="Published">Numbers that the publishers tried.</param>
/// <param name="Confirmed">Those that the server confirmed.</param>
/// <param name="Lost">Confirmed, and not received by somebody who subscribes: one for each who misses it.</param>
/// <param name="Expected">Confirmed numbers by their subscribers: what 0 lost is of.</param>
internal sealed record FaultResult(int Published, int Confirmed, int Lost, int Expected, int Doubled, int OutOfOrder, int Resets);

/// <summary>Numbered messages by ordinary clients through a balancer, while something breaks; then who has not got what was confirmed to its publisher.</summary>
internal static class FaultCampaign
{
    private const int Topics = 5;
    private const int Subscribers = 10; // of each
    private const int Rate = 20; // a second, of each

    private static readonly TimeSpan Before = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan After = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(20);

    public static async Task<string> RunAsync(BackplaneOptions options)
    {
        StringBuilder table = new(string.Create(
            CultureInfo.InvariantCulture,
            $"{Topics} topics, each with {Subscribers} subscribers and a publisher of {Rate} messages a second; redis-server with AOF. Lost: confirmed to the publisher, and not received by a subscriber.\n\n"));
        table.Append("| fault | | publishes: tried, confirmed | deliveries due | lost | doubled | out of order | resets told |\n|---|---|---|---|---|---|---|---|\n");
        foreach (FaultKind fault in BackplaneOptions.Select(FaultKind.All, fault => fault.Name, options.Only))
        {
            foreach (Contender contender in options.Contenders)
            {
                FaultResult result = await RunAsync(contender, fault);
                string line = string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {fault.Title} | {contender.Title} | {result.Published:N0}, {result.Confirmed:N0} | {result.Expected:N0} | {result.Lost:N0} | {result.Doubled:N0} | {result.OutOfOrder:N0} | {result.Resets:N0} |");
                Console.Error.WriteLine(line);
                table.Append(line).Append('\n');
            }
        }

        return table.ToString();
    }

    internal static async Task<FaultResult> RunAsync(Contender contender, FaultKind fault)
    {
        await using FaultyCluster cluster = await Task.Run(() => new FaultyCluster(contender));
        List<Member> members = [];
        Receipts[][] receipts = [.. Enumerable.Range(0, Topics).Select(_ => Enumerable.Range(0, Subscribers).Select(_ => new Receipts()).ToArray())];
        Member[] publishers = [.. Enumerable.Range(0, Topics).Select(_ => Member.Of(contender.Engine, cluster.Url))];
        members.AddRange(publishers);
        try
        {
            for (int topic = 0; topic < Topics; topic++)
            {
                foreach (Receipts own in receipts[topic])
                {
                    Member member = Member.Of(contender.Engine, cluster.Url);
                    members.Add(member);
                    await member.JoinAsync(LoadShape.TopicName(topic), own);
                }

                await publishers[topic].ConnectAsync();
            }

            using CancellationTokenSource over = new();
            Task<Outcome>[] publishing = [.. publishers.Select((publisher, topic) => PublishAsync(publisher, LoadShape.TopicName(topic), over.Token))];
            await Task.Delay(Before);
            await fault.StrikeAsync(cluster);
            await Task.Delay(After);
            await over.CancelAsync();
            Outcome[] outcomes = await Task.WhenAll(publishing);
            return await SettleAsync(outcomes, receipts);
        }
        finally
        {
            await Task.WhenAll(members.Select(member => member.DisposeAsync().AsTask()));
        }
    }

    // At fixed times, whatever became of those before; what fails is not tried again here: the client that comes with the engine has done what it does.
    private static async Task<Outcome> PublishAsync(Member publisher, string topic, CancellationToken over)
    {
        List<Task<bool>> answers = [];
        using PeriodicTimer timer = new(TimeSpan.FromSeconds(1.0 / Rate));
        while (!over.IsCancellationRequested)
        {
            answers.Add(TryAsync(publisher, topic, answers.Count));
            await timer.WaitForNextTickAsync(CancellationToken.None);
        }

        bool[] confirmed = await Task.WhenAll(answers);
        return new Outcome(answers.Count, [.. Enumerable.Range(0, answers.Count).Where(number => confirmed[number])]);
    }

    private static async Task<bool> TryAsync(Member publisher, string topic, int number)
    {
        try
        {
            await publisher.PublishAsync(topic, number).WaitAsync(Patience);
            return true;
        }
        catch (Exception)
        {
            // Whatever it is, the publisher has been told.
            return false;
        }
    }

    // Until all is there, or nothing has come for a while.
    private static async Task<FaultResult> SettleAsync(Outcome[] outcomes, Receipts[][] receipts)
    {
        int missing = int.MaxValue;
        for (long since = Environment.TickCount64; ; await Task.Delay(100))
        {
            int now = outcomes.Zip(receipts).Sum(pair => pair.Second.Sum(own => own.CountMissing(pair.First.Confirmed)));
            if (now < missing)
            {
                (missing, since) = (now, Environment.TickCount64);
            }

            if (missing == 0 || Environment.TickCount64 - since > Quiet.TotalMilliseconds)
            {
                Receipts[] all = [.. receipts.SelectMany(own => own)];
                return new FaultResult(
                    outcomes.Sum(outcome => outcome.Published), outcomes.Sum(outcome => outcome.Confirmed.Length), missing, outcomes.Sum(outcome => outcome.Confirmed.Length * Subscribers),
                    all.Sum(own => own.Doubled), all.Sum(own => own.OutOfOrder), all.Sum(own => own.Resets));
            }
        }
    }

    private sealed record Outcome(int Published, int[] Confirmed);
}
