namespace Duologue.LoadGenerator;

/// <summary>What time, CPU and messages were when a measurement began; taken again at its end, what passed between.</summary>
internal readonly record struct Window(LoadOptions Options, long Start, CpuTime Server, CpuTime Own, long Messages)
{
    public static Window Begin(LoadOptions options, long messages) =>
        new(options, Latencies.Now, CpuTime.Of(options.ProcessId), CpuTime.Of(Environment.ProcessId), messages);

    public LoadResult End(string mode, long messages)
    {
        double elapsed = System.Diagnostics.Stopwatch.GetElapsedTime(Start).TotalNanoseconds;
        return Result(Options, mode, messages - Messages, elapsed, CpuTime.Of(Options.ProcessId) - Server, CpuTime.Of(Environment.ProcessId) - Own);
    }

    /// <param name="elapsed">Nanoseconds.</param>
    public static LoadResult Result(LoadOptions options, string mode, long messages, double elapsed, CpuTime server, CpuTime own)
    {
        double count = Math.Max(1, messages);
        return new LoadResult(mode)
            .Add("conns", options.Connections, 0)
            .Add("payload", options.Payload, 0)
            .Add("depth", options.Depth, 0)
            .Add("sec", elapsed / 1e9, 2)
            .Add("mps", messages / elapsed * 1e9, 0)
            .Add("cpu_ns", server.Nanoseconds / count, 1)
            .Add("user_ns", server.User / count, 1)
            .Add("sys_ns", server.System / count, 1)
            .Add("srv_util", server.Nanoseconds / elapsed, 3)
            .Add("gen_ns", own.Nanoseconds / count, 1)
            .Add("gen_util", own.Nanoseconds / elapsed, 3);
    }
}
