using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using Duologue.Cli.Talk;
using Duologue.Cli.Terminal;
using Duologue.Redis;
using Microsoft.Extensions.Options;
using StackExchange.Redis;

namespace Duologue.Cli.Serve;

/// <summary><c>duologue serve</c>: the live page, its talk, and the reference endpoints.</summary>
internal static class ServeCommand
{
    private const int TalkQueueMessages = 4;
    private static readonly string[] TalkPaths = ["/", "/talk"];

    public static Command Create() => Create(static _ => { });

    /// <summary>The same, with endpoints beside its own: for programs that try what the tool is made of.</summary>
    public static Command Create(Action<WebApplication> map)
    {
        var options = new ServeOptions();
        var command = new ToolCommand("serve", "Serve the live page, its talk, an echo, a fan-out and topics.", """
            / and /talk   the live page and its talk
            /echo         each message back as it came
            /fanout       what is sent to /fanout/publish
            /topics/NAME  a topic that anybody may read and publish to, by polling, long
                          polling, server-sent events or WebSocket
            /three-ways   a page that shows these side by side
            /metrics      what is counted, in Prometheus' text format
            Times are written 500ms, 20s, 5m; sizes 65536, 64KiB, 8MiB. Ctrl+C stops it.
            """);
        foreach (Option option in options.All)
        {
            command.Add(option);
        }

        command.SetAction((result, cancellationToken) => RunAsync(options, map, result, cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(ServeOptions options, Action<WebApplication> map, ParseResult command, CancellationToken cancellationToken)
    {
        bool json = command.GetValue(options.Json);
        bool tls = command.GetValue(options.Tls);
        var report = new Report(command.InvocationConfiguration.Output, command.InvocationConfiguration.Error, json);
        if (!ListenUrls.TryRead(command.GetValue(options.Urls), tls, out string[] urls, out string? error))
        {
            return report.Fail(ExitCode.Usage, error);
        }

        string[] echoPaths = [.. (command.GetValue(options.Echo) ?? []).Prepend("/echo").Distinct(StringComparer.OrdinalIgnoreCase)];
        if (FindPathError(echoPaths) is { } pathError)
        {
            return report.Fail(ExitCode.Usage, pathError);
        }

        if (command.GetValue(options.NodeAddress) is not null && command.GetValue(options.Redis) is null)
        {
            return report.Fail(ExitCode.Usage, $"{NodeAddressChoice.Name} needs --redis, by which nodes find each other.");
        }

        (X509Certificate2 Certificate, string Origin)? certificate = tls ? DevelopmentCertificate.Get(TimeProvider.System.GetUtcNow()) : null;
        try
        {
            await using WebApplication application = Build(options, command, report, urls, echoPaths, certificate?.Certificate);
            map(application);
            int? failure = await ListenUrls.TryStartAsync(application, urls, report).ConfigureAwait(false);
            if (failure is not null)
            {
                return failure.Value;
            }

            Announce(report, application, certificate?.Origin, echoPaths);
            await application.WaitForShutdownAsync(cancellationToken).ConfigureAwait(false);
            report.Say("[grey]Stopped; every connection was closed.[/]");
            report.Tell(new StoppedEvent());
            return ExitCode.Success;
        }
        catch (OptionsValidationException e)
        {
            return report.Fail(ExitCode.Usage, OptionFailures.Say(e));
        }
        finally
        {
            certificate?.Certificate.Dispose();
        }
    }

    private static WebApplication Build(ServeOptions options, ParseResult command, Report report, string[] urls, string[] echoPaths, X509Certificate2? certificate)
    {
        // Slim: no configuration files or environment of the directory it happens to be started in decides about a tool.
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "duologue" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;

            // HandshakeTimeout is the answer's time; the request's is the web server's to keep.
            kestrel.Limits.RequestHeadersTimeout = command.GetValue(options.HandshakeTimeout).Value;
            if (certificate is not null)
            {
                kestrel.ConfigureHttpsDefaults(https => https.ServerCertificate = certificate);
            }
        });
        options.ApplyEventLoop(command, builder.WebHost);
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        ServerLogging.Configure(builder, command.GetValue(options.LogLevel), command.GetValue(options.Json));
        int talkMessageSize = options.GetTalkMessageSize(command);
        int talkFile = Math.Max(1, talkMessageSize - TalkLimits.FileHead);
        builder.Services.AddDuologue(duologue =>
        {
            options.Apply(command, duologue);
            TopicsEndpoint.KeepNoHistoryOfOthers(duologue, talkFile);
        });
        ConfigurationOptions? redis = command.GetValue(options.Redis);
        if (redis is not null)
        {
            Uri? address = command.GetValue(options.NodeAddress) is { } choice ? choice.Url : NodeAddressChoice.Default(urls);
            RedisChoice.Apply(builder, redis, command.GetValue(options.Node), address, command.GetValue(options.LogLevel), report);
        }

        builder.Services.AddTalk(isShared: redis is not null, talkFile);
        MetricsAccess metrics = command.GetValue(options.Metrics);
        builder.Services.AddMetricsEndpoint(metrics);

        WebApplication application = builder.Build();
        application.MapMetricsEndpoint(metrics);
        application.MapPage();
        application.MapHeadSize();
        foreach (string path in TalkPaths)
        {
            application.MapDuologue<LineTalkHandler>(path).WithSubprotocol<EventTalkHandler>(TalkProtocol.Name).WithOptions(talk =>
            {
                talk.MaxMessageSize = talkMessageSize;
                talk.MessageTimeout = options.GetTalkMessageTimeout(command);
                talk.SendQueueLimit = (int)Math.Max(talk.SendQueueLimit, Math.Min(int.MaxValue, TalkQueueMessages * (long)talkMessageSize));
            });
        }

        foreach (string path in echoPaths)
        {
            application.MapDuologue<EchoHandler>(path).WithOptions(echo => echo.AllowAnyOrigin());
        }

        application.MapDuologue<FanoutHandler>("/fanout");
        application.MapDuologue<FanoutPublishHandler>("/fanout/publish");
        application.MapTopics(TopicsEndpoint.Pattern).WithOptions(TopicsEndpoint.Configure);
        return application;
    }

    private static void Announce(Report report, WebApplication application, string? certificate, string[] echoPaths)
    {
        IReadOnlyList<string> bound = ListenUrls.GetBound(application);
        string local = ListenUrls.GetLocal(bound[0]);
        string socket = ToWebSocket(local);
        report.Say($"[bold]Duologue[/] is listening. Open [underline green]{Report.Safe(local)}[/] in a browser.");
        foreach (string remote in bound.SelectMany(ListenUrls.ListRemote))
        {
            report.Say($"  from other machines  {Report.Safe(remote)}");
        }

        report.Say($"  three ways     {Report.Safe(local + ThreeWaysPage.Path)}");
        report.SayWhole($"  in a terminal  [aqua]{Report.Safe($"{ToolInvocation.Here} connect {socket}")}[/]");
        report.Say($"  echo           {Report.Safe(string.Join(", ", echoPaths.Select(path => socket + path)))}");
        report.Say($"  fan-out        {Report.Safe($"{socket}/fanout, fed by {socket}/fanout/publish")}");
        report.Say($"  topics         {Report.Safe($"{local}{TopicsEndpoint.Path}/NAME")}");
        if (certificate is not null)
        {
            report.Say($"  certificate    {Report.Safe(certificate)}");
            report.Tell(new NoteEvent($"TLS with {certificate}"));
        }

        if (application.Services.GetService<RedisBroker>() is { } broker)
        {
            RedisBrokerOptions redis = application.Services.GetRequiredService<IOptions<RedisBrokerOptions>>().Value;
            string servers = RedisChoice.Describe(redis.Configuration!);
            string text = $"{servers}, as node {broker.NodeName}: the topics of all nodes there are one, and so is the talk";
            report.Say($"  redis          {Report.Safe(text)}");
            report.Tell(new NoteEvent($"Redis at {text}"));
            string sessions = NodeAddressChoice.Describe(redis.NodeAddress, bound[0]);
            report.Say($"  sessions       {Report.Safe(sessions)}");
            report.Tell(new NoteEvent($"Sessions: {sessions}"));
        }

        report.Say("[grey]Ctrl+C stops it.[/]");
        report.Tell(new ListeningEvent(bound, local, [.. TalkPaths, .. echoPaths, "/fanout", "/fanout/publish", TopicsEndpoint.Path]));
    }

    private static string ToWebSocket(string url) => string.Concat("ws", url.AsSpan("http".Length));

    private static string? FindPathError(string[] paths)
    {
        foreach (string path in paths)
        {
            if (!PlainPath.IsValid(path))
            {
                return $"--echo has \"{path}\", which is no plain path; expected such as /mirror.";
            }

            if (TalkPaths.Contains(path, StringComparer.OrdinalIgnoreCase) || path.StartsWith("/fanout", StringComparison.OrdinalIgnoreCase) || path.StartsWith(TopicsEndpoint.Path, StringComparison.OrdinalIgnoreCase) || path.StartsWith("/page", StringComparison.OrdinalIgnoreCase) || path.StartsWith(ThreeWaysPage.Path, StringComparison.OrdinalIgnoreCase) || path.Equals(MetricsEndpoint.Path, StringComparison.OrdinalIgnoreCase))
            {
                return $"--echo has \"{path}\", where something else is served; choose another path.";
            }
        }

        return null;
    }
}
