using System.CommandLine;
using Duologue.AspNetCore;
using Duologue.Cli.Serve;
using Duologue.Cli.Terminal;
using Microsoft.Extensions.Options;

namespace Duologue.Cli.Listen;

/// <summary><c>duologue listen</c>: a server for scripts. What comes is printed; what is typed or piped in goes to all.</summary>
internal static class ListenCommand
{
    private static readonly ByteSize MessageSize = new(64 * 1024 * 1024);

    public static Command Create()
    {
        Option<string[]> urls = CliOption.Create<string[]>("--urls", "URL", "Addresses to listen on, separated by ; or repeated. Default http://localhost:8080; port 0 for a free one.");
        Option<string> path = CliOption.Create<string>("--path", "PATH", "The path to accept connections at.");
        path.DefaultValueFactory = _ => "/";
        Option<string[]> protocol = CliOption.Create<string[]>("--protocol", "NAME", "A subprotocol to accept, the preferred first. Repeatable. Default none.");
        Option<string[]> allowOrigin = CliOption.Create<string[]>("--allow-origin", "ORIGIN", "A web origin whose pages may connect; * for all. Repeatable. Default none but the same origin; clients that are no browsers always may.");
        Option<Compression> compression = CliOption.Compression("--compression", "How messages are compressed for clients that offer it.");
        Option<bool> binary = CliOption.Switch("--binary", "Send lines as binary messages.");
        Option<bool> once = CliOption.Switch("--once", "End when the first connection has closed.");
        Option<ByteSize?> maxMessageSize = CliOption.Size("--max-message-size", $"The largest message to receive. Passed: close 1009. Default {MessageSize}.");
        Option<LogLevel> logLevel = CliOption.Choice("--log-level", "How much of the server's log goes to standard error.", LogLevel.Warning);
        Option<bool> json = CliOption.Switch("--json", "One JSON object per line on standard output: listening, open, message, unsent, close, stopped, error.");
        var command = new ToolCommand("listen", "A server for scripts: print what comes, send what is piped in.", """
            Each line of standard input goes to all who are connected. Ctrl+C stops it;
            the end of the input does not. Sizes are written 65536, 64KiB, 8MiB.
            """)
        {
            urls, path, protocol, allowOrigin, compression, binary, once, maxMessageSize, logLevel, json,
        };
        command.SetAction(async (result, cancellationToken) =>
        {
            var report = new Report(result.InvocationConfiguration.Output, result.InvocationConfiguration.Error, result.GetValue(json));
            string at = result.GetRequiredValue(path);
            if (!ListenUrls.TryRead(result.GetValue(urls), tls: false, out string[] addresses, out string? error))
            {
                return report.Fail(ExitCode.Usage, error);
            }

            if (!PlainPath.IsValid(at))
            {
                return report.Fail(ExitCode.Usage, $"--path has \"{at}\", which is no plain path; expected such as /chat.");
            }

            using var stop = new StopSignal(cancellationToken);
            var run = new ListenRun(report, result.GetValue(binary), result.GetValue(once));
            void Configure(DuologueEndpointOptions options)
            {
                options.MaxMessageSize = (result.GetValue(maxMessageSize) ?? MessageSize).Bytes;
                options.SendQueueLimit = ListenRun.SendQueueLimit;
                options.Compression = result.GetRequiredValue(compression);
                foreach (string origin in result.GetValue(allowOrigin) ?? [])
                {
                    options.AllowedOrigins.Add(origin);
                }

                foreach (string name in result.GetValue(protocol) ?? [])
                {
                    options.Subprotocols.Add(name);
                }
            }

            try
            {
                await using WebApplication application = Build(run, at, Configure, result.GetValue(logLevel), report.IsJson);
                return await ListenUrls.TryStartAsync(application, addresses, report).ConfigureAwait(false)
                    ?? await run.RunAsync(application, at, stop.Token).ConfigureAwait(false);
            }
            catch (OptionsValidationException e)
            {
                return report.Fail(ExitCode.Usage, OptionFailures.Say(e));
            }
        });
        return command;
    }

    private static WebApplication Build(ListenRun run, string path, Action<DuologueEndpointOptions> configure, LogLevel logLevel, bool json)
    {
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "duologue" });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        ServerLogging.Configure(builder, logLevel, json);
        builder.Services.AddDuologue();
        WebApplication application = builder.Build();
        application.MapDuologue(path, run.ConverseAsync).WithOptions(configure);
        return application;
    }
}
