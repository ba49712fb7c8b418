using System.CommandLine;
using System.Diagnostics;
using System.Runtime;
using System.Runtime.InteropServices;
using System.Text.Json;
using Duologue.AspNetCore;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Compare.Server;

/// <summary>
/// The server that <c>duologue compare</c> measures: topics, and a page that says what the process has used. It is a process of its own, a child of the tool's,
/// so that its CPU time and memory are those of a server and of nothing else.
/// </summary>
internal static class CompareServer
{
    public const string CommandName = "compare-server";
    public const string UsagePath = "/usage";
    public const string CollectedUsagePath = "/usage/collected";

    /// <summary>More than any comparison publishes within the time that a slow client may be behind.</summary>
    private static readonly TopicHistory History = new() { MaxCount = 100_000, MaxBytes = 64 * 1024 * 1024 };

    public static Command CreateCommand()
    {
        Option<string> eventLoop = EventLoopChoice.Create();
        var command = new Command(CommandName, "What duologue compare measures.") { eventLoop };
        command.Hidden = true;
        command.SetAction(async (result, _) =>
        {
            var report = new Report(result.InvocationConfiguration.Output, result.InvocationConfiguration.Error, isJson: false);
            return await RunAsync(result.GetRequiredValue(eventLoop), report).ConfigureAwait(false);
        });
        return command;
    }

    private static async Task<int> RunAsync(string eventLoop, Report report)
    {
        // Ctrl+C goes to all programs of a terminal. This one ends when its parent closes its input, or is gone.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = true);
        await using WebApplication application = Build(eventLoop);
        if (await ListenUrls.TryStartAsync(application, ["http://127.0.0.1:0"], report).ConfigureAwait(false) is { } failure)
        {
            return failure;
        }

        report.WriteLine(ListenUrls.GetBound(application)[0]);
        await Task.Run(Console.In.ReadToEnd).ConfigureAwait(false);
        return ExitCode.Success;
    }

    private static WebApplication Build(string eventLoop)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "duologue" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        EventLoopChoice.Apply(eventLoop, 0, builder.WebHost);
        ServerLogging.Configure(builder, LogLevel.Warning, json: false);
        builder.Services.AddRouting();
        builder.Services.AddDuologue(options =>
        {
            options.TopicHistories["**"] = History;
            options.DrainWindow = TimeSpan.Zero;
        });
        WebApplication application = builder.Build();
        application.MapTopics(TopicsEndpoint.Pattern).WithOptions(topics => topics.AllowPublishing = true);
        application.MapGet(UsagePath, context => AnswerAsync(context, collect: false));
        application.MapGet(CollectedUsagePath, context => AnswerAsync(context, collect: true));
        return application;
    }

    private static Task AnswerAsync(HttpContext context, bool collect)
    {
        if (collect)
        {
            // What is garbage is not what a client costs. Finalizers leave some, and what they leave is garbage of the next round.
            for (int i = 0; i < 3; i++)
            {
                GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                GC.WaitForPendingFinalizers();
            }
        }

        using var self = Process.GetCurrentProcess();
        var usage = new ServerUsage(Environment.CpuUsage.TotalTime, self.WorkingSet64, GC.GetTotalMemory(forceFullCollection: false));
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(JsonSerializer.Serialize(usage, CompareJson.Default.ServerUsage), context.RequestAborted);
    }
}

/// <summary>What the server has used: processor time since its start, and memory now.</summary>
internal sealed record ServerUsage(TimeSpan Cpu, long Resident, long Heap);
