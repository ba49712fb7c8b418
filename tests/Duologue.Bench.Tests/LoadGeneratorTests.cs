using System.Diagnostics;
using Duologue.LoadGenerator;

namespace Duologue.Bench.Tests;

/// <summary>The parts of the generator that need no server.</summary>
public sealed class LoadGeneratorTests
{
    [Fact]
    public void Arguments_make_a_load()
    {
        LoadOptions options = LoadOptions.Parse(["127.0.0.1", "8080", "/echo", "64", "20", "16", "2.5", "--text", "--pid", "7", "--warmup", "0.5", "--deflate", "dedicated:12", "--jsonout"])!;
        Assert.Equal((8080, "/echo", 64, 20, 16), (options.Port, options.Path, options.Connections, options.Payload, options.Depth));
        Assert.Equal((TimeSpan.FromSeconds(2.5), TimeSpan.FromSeconds(0.5), 7), (options.Duration, options.Warmup, options.ProcessId));
        Assert.True(options is { Text: true, Json: true, Mode: LoadMode.Echo });
        Assert.Equal("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", options.Offer);
    }

    [Theory]
    [InlineData("--rate 1000", "OpenLoop")]
    [InlineData("--broadcast --pubpath /p", "FanOut")]
    [InlineData("--idle --from 10", "Idle")]
    [InlineData("--burst", "Burst")]
    [InlineData("--connect", "Connect")]
    public void An_option_chooses_the_mode(string option, string mode)
    {
        LoadOptions? options = LoadOptions.Parse(["127.0.0.1", "8080", "/echo", "64", "20", "1", "1", .. option.Split(' ')]);
        Assert.Equal(mode, options?.Mode.ToString());
    }

    [Theory]
    [InlineData("192.0.2.1 8080 /echo 64 20 1 1")] // not this machine
    [InlineData("127.0.0.1 8080 /echo 0 20 1 1")]
    [InlineData("127.0.0.1 8080 /echo 64 20 1 601")] // a load has an end
    [InlineData("127.0.0.1 8080 /echo 200000 20 1 1")]
    [InlineData("127.0.0.1 8080 /echo 64 20 1")]
    [InlineData("127.0.0.1 8080 /echo 64 20 1 1 --deflate dedicated:8")]
    [InlineData("127.0.0.1 8080 /echo 64 20 1 1 --from 64")]
    [InlineData("127.0.0.1 8080 /echo 64 20 1 1 --unknown")]
    public void A_load_that_makes_no_sense_or_has_no_bounds_is_refused(string arguments) => Assert.Null(LoadOptions.Parse(arguments.Split(' ')));

    [Fact]
    public void User_and_system_time_are_found_behind_a_name_with_spaces_and_parentheses()
    {
        const string Stat = "42 (a ) name) S 1 42 42 0 -1 4194304 100 0 0 0 731 264 0 0 20 0 9 0 12345 0 0";
        Assert.Equal((731, 264), CpuTime.Parse(Stat));
    }

    [Fact]
    public void The_whole_is_shared_out_by_the_sampled_ticks()
    {
        CpuTime time = new CpuTime(5_000_000, 40, 20) - new CpuTime(1_000_000, 10, 10);
        Assert.Equal((4_000_000, 3_000_000, 1_000_000), (time.Nanoseconds, time.User, time.System));
        Assert.Equal(0, default(CpuTime).User);
    }

    [Fact]
    public void A_process_that_works_uses_CPU_time()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Needs /proc.");
        CpuTime before = CpuTime.Of(Environment.ProcessId);
        double sum = 0;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start) < TimeSpan.FromMilliseconds(50) || sum == 0;)
        {
            sum += Math.Sqrt(sum + 1);
        }

        Assert.True((CpuTime.Of(Environment.ProcessId) - before).Nanoseconds > 0);
        Assert.True(ProcessMemory.Of(Environment.ProcessId) is { Resident: > 1024, Proportional: > 0 });
    }

    [Fact]
    public void Latencies_keep_their_outliers()
    {
        Latencies latencies = new();
        for (int i = 1; i <= 999; i++)
        {
            latencies.Add(0, Ticks(microseconds: 100));
        }

        latencies.Add(0, Ticks(microseconds: 2_000_000));
        Assert.Equal(1000, latencies.Count);
        Assert.InRange(latencies.Percentile(50), 99, 101);
        Assert.InRange(latencies.Percentile(99.9), 99, 101);
        Assert.InRange(latencies.Percentile(100), 1_990_000, 2_010_000);
        latencies.Clear();
        Assert.Equal((0, 0), (latencies.Count, latencies.Percentile(99)));
    }

    [Fact]
    public void A_result_is_one_line_of_JSON_with_the_names_that_other_generators_use()
    {
        LoadResult result = new LoadResult("echo").Add("mps", 1234.56, 0).Add("cpu_ns", 5432.16, 1);
        Assert.Equal("""{"mode":"echo","mps":1235,"cpu_ns":5432.2}""", result.ToJson());
        Assert.Contains("5,432.2", result.ToText(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100_000)]
    public void Messages_are_counted_however_they_are_cut(int piece)
    {
        byte[] wire =
        [
            .. Frames.FromServer(Frames.Binary, new byte[20]),
            .. Frames.FromServer(Frames.Text, []),
            .. Frames.FromServer(0x02, new byte[300]), // a message in two fragments,
            .. Frames.FromServer(Frames.Ping, [1, 2, 3]), // and a ping between them
            .. Frames.FromServer(0x80, new byte[70_000]),
        ];
        FrameCounter counter = default;
        int messages = 0;
        for (int i = 0; i < wire.Length; i += piece)
        {
            messages += counter.Feed(wire.AsSpan(i, Math.Min(piece, wire.Length - i)));
        }

        Assert.Equal(3, messages);
        Assert.Equal(Frames.FromClient(Frames.Pong, [1, 2, 3]), counter.Pong);
        Assert.False(counter.IsClosed);
        counter.Feed(Frames.FromServer(Frames.Close, [0x03, 0xE8]));
        Assert.True(counter.IsClosed);
    }

    [Fact]
    public void A_masked_frame_comes_from_no_server()
    {
        FrameCounter counter = default;
        Assert.Throws<LoadException>(() => counter.Feed(Frames.FromClient(Frames.Binary, [1])));
    }

    private static long Ticks(double microseconds) => (long)(microseconds * Stopwatch.Frequency / 1_000_000);
}
