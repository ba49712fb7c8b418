using System.Diagnostics;

namespace Duologue.LoadGenerator;

internal static class Load
{
    public static async Task<LoadResult> RunAsync(LoadOptions options)
    {
        List<EchoConversation> conversations = [];
        for (int i = 0; i < options.Connections; i++)
        {
            conversations.Add(await EchoConversation.OpenAsync(options));
        }

        Task[] running = [.. conversations.Select(conversation => Task.Run(conversation.RunAsync))];
        await WaitAsync(options.Warmup, running);

        conversations.ForEach(conversation => conversation.Measuring = true);
        long count = conversations.Sum(conversation => conversation.Count);
        CpuTime server = CpuTime.Of(options.ProcessId);
        CpuTime own = CpuTime.Of(Environment.ProcessId);
        long start = Stopwatch.GetTimestamp();

        await WaitAsync(options.Duration, running);

        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        server = CpuTime.Of(options.ProcessId) - server;
        own = CpuTime.Of(Environment.ProcessId) - own;
        count = conversations.Sum(conversation => conversation.Count) - count;

        conversations.ForEach(conversation => conversation.Stop());
        await Task.WhenAll(running);
        long[] roundTrips = [.. conversations.SelectMany(conversation => conversation.RoundTrips).Order()];
        return new LoadResult(options, count, elapsed, server, own, roundTrips);
    }

    /// <summary>Lets time pass, unless a connection fails meanwhile: then its exception is thrown.</summary>
    private static async Task WaitAsync(TimeSpan time, Task[] running)
    {
        Task delay = Task.Delay(time);
        Task first = await Task.WhenAny([delay, .. running]);
        if (first != delay)
        {
            await first;
        }
    }
}
