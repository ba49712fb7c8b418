using System.Net;
using Duologue.EchoServer;
using Duologue.LoadGenerator;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Bench.Tests;

/// <summary>Each kind of load once, small, on a real server of either engine.</summary>
public sealed class LoadSmokeTests
{
    public static TheoryData<string, string> Loads
    {
        get
        {
            TheoryData<string, string> all = [];
            foreach (string engine in new[] { "duologue", "system" })
            {
                all.Add(engine, "8 20 1 0.2");
                all.Add(engine, "4 5000 3 0.2 --text");
                all.Add(engine, "8 128 4 0.2 --broadcast");
                all.Add(engine, "4 20 1 0.2 --rate 200");
                all.Add(engine, "10 20 4 0.1 --connect");
                all.Add(engine, "20 20 1 0.1 --idle --from 5 --collect /collect");
                all.Add(engine, "20 20 1 0.1 --burst --collect /collect");
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Loads))]
    public async Task A_small_load_has_figures(string engine, string load)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The generator needs Linux.");
        LoadResult result = await RunAsync([engine], load);
        switch (result.Mode)
        {
            case "idle":
                Assert.Equal(1, result["collected"]);
                Assert.True(result["rss_all_kb"] > 0);
                break;
            case "burst":
                Assert.True(result["rss_after_kb"] > 0);
                break;
            default:
                Assert.True(result["mps"] > 0 && result["cpu_ns"] > 0 && result["p99_us"] >= result["p50_us"] && result["p50_us"] > 0, result.ToJson());
                break;
        }
    }

    [Theory]
    [InlineData("duologue")]
    [InlineData("system")]
    public async Task A_compressed_echo_is_compressed(string engine)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The generator needs Linux.");
        LoadResult result = await RunAsync([engine, "--deflate", "shared"], "4 1024 1 0.2 --deflate shared");
        Assert.True(result["mps"] > 0);
    }

    [Fact]
    public async Task A_server_that_declines_to_compress_is_not_measured_as_if_it_did()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The generator needs Linux.");
        await Assert.ThrowsAsync<LoadException>(() => RunAsync(["duologue"], "1 1024 1 0.2 --deflate shared"));
    }

    [Fact]
    public async Task An_open_loop_answers_for_every_message_that_was_due()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The generator needs Linux.");
        LoadResult result = await RunAsync(["duologue"], "2 20 1 0.3 --rate 100");
        Assert.Equal((100, 0), (result["rate"], result["missing"]));
    }

    // A load of more than 20 s ended with "More came back than was sent.": the server's ping was counted as a part of the echo.
    [Theory]
    [InlineData("4 20 16 0.3")]
    [InlineData("4 5000 1 0.3 --text")]
    [InlineData("4 20 1 0.3 --rate 200")]
    public async Task A_ping_among_the_echoes_is_answered_and_is_none(string load)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The generator needs Linux.");
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddDuologue(options => (options.KeepAliveInterval, options.KeepAliveTimeout) = (TimeSpan.FromMilliseconds(20), Timeout.InfiniteTimeSpan));
        await using WebApplication application = builder.Build();
        bool answered = false;
        application.MapDuologue("/echo", async connection =>
        {
            await foreach (Message message in connection.ReadAllAsync())
            {
                if (connection.Latency is not null)
                {
                    Volatile.Write(ref answered, true);
                }

                await connection.SendAsync(message.Data, message.Type);
            }
        });
        await application.StartAsync(TestContext.Current.CancellationToken);
        LoadOptions options = Options(application, load) with { PingsFrom = TimeSpan.Zero };
        for (int tries = 0; tries < 50 && !Volatile.Read(ref answered); tries++)
        {
            LoadResult result = await RunAsync(options);
            Assert.True(result.Mode != "open loop" || result["missing"] == 0, result.ToJson());
        }

        Assert.True(Volatile.Read(ref answered));
    }

    private static async Task<LoadResult> RunAsync(string[] server, string load)
    {
        await using WebApplication application = EchoApplication.Build(EchoArguments.Parse([.. server])!);
        await application.StartAsync(TestContext.Current.CancellationToken);
        LoadOptions options = Options(application, load);
        LoadResult result;
        int tries = 0;
        do
        {
            // On a machine that has no time for this test a short window may pass without a message.
            result = await RunAsync(options);
        }
        while (++tries < 50 && result.Mode is not ("idle" or "burst") && result["mps"] == 0);

        return result;
    }

    private static Task<LoadResult> RunAsync(LoadOptions options) =>
        Task.Factory.StartNew(() => Load.Run(options), TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static LoadOptions Options(WebApplication application, string load)
    {
        string[] words = load.Split(' ');
        string path = words.Contains("--broadcast") ? "/fanout" : "/echo";
        return LoadOptions.Parse([$"{IPAddress.Loopback}", $"{EchoApplication.Port(application)}", path, .. words, "--pid", $"{Environment.ProcessId}", "--warmup", "0.1"])!;
    }
}
