// Metrics, traces and logs of a Duologue server and client, by OpenTelemetry.
//
//   dotnet run --project samples/Telemetry              serves; open http://localhost:5080/metrics
//   dotnet run --project samples/Telemetry -- --once    has one conversation with itself, shows what came of it, and ends
//
// To send all of it to a collector (OTLP):
//   OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 dotnet run --project samples/Telemetry
using System.Diagnostics;
using Duologue;
using Duologue.AspNetCore;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.UseUrls("http://localhost:5080");
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.Services.AddDuologue();

bool toCollector = Environment.GetEnvironmentVariable("OTEL_EXPORTER_OTLP_ENDPOINT") is not null;
bool once = args.Contains("--once");

// Duologue's part is three names: the meters and the sources "Duologue" (clients) and "Duologue.AspNetCore" (servers).
var telemetry = builder.Services.AddOpenTelemetry()
    .ConfigureResource(resource => resource.AddService("telemetry-sample"))
    .WithMetrics(metrics =>
    {
        metrics.AddMeter("Duologue", "Duologue.AspNetCore", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime").AddPrometheusExporter();
        if (toCollector)
            metrics.AddOtlpExporter();
    })
    .WithTracing(traces =>
    {
        traces.AddSource("Duologue", "Duologue.AspNetCore").AddAspNetCoreInstrumentation();
        if (toCollector)
            traces.AddOtlpExporter();
        if (once)
            traces.AddProcessor(new OpenTelemetry.SimpleActivityExportProcessor(new Lines()));
        else if (!toCollector)
            traces.AddConsoleExporter();
    });
if (toCollector)
    telemetry.WithLogging(logs => logs.AddOtlpExporter());

var app = builder.Build();
app.MapPrometheusScrapingEndpoint();
// One activity per call of the handler, which is for looking closely: by default there is none per message.
app.MapDuologue<Echo>("/echo").WithOptions(o => o.TraceMessages = true);
await app.StartAsync();
Console.WriteLine("ws://localhost:5080/echo, http://localhost:5080/metrics");

if (once)
{
    await using (Connection connection = await Connection.ConnectAsync(new Uri("ws://localhost:5080/echo")))
    {
        await connection.SendAsync("hello");
        Console.WriteLine($"the server says {(await connection.ReceiveAsync()).Text}");
        await connection.CloseAsync();
    }

    using var http = new HttpClient();
    string text = "";
    while (!text.Contains("peer_closed", StringComparison.Ordinal))
        text = await http.GetStringAsync(new Uri("http://localhost:5080/metrics"));
    foreach (string line in text.Split('\n').Where(line => line.StartsWith("duologue_", StringComparison.Ordinal) && !line.Contains("_bucket", StringComparison.Ordinal)))
        Console.WriteLine($"metric  {line}");
}
else
{
    await app.WaitForShutdownAsync();
}

await app.StopAsync();

internal sealed class Echo : MessageHandler
{
    public override ValueTask OnMessageAsync(Connection connection, Message message)
    {
        connection.Send(message.Data.Span, message.Type);
        return ValueTask.CompletedTask;
    }
}

/// <summary>A trace in one line per activity; the console exporter takes twenty.</summary>
internal sealed class Lines : OpenTelemetry.BaseExporter<Activity>
{
    public override OpenTelemetry.ExportResult Export(in OpenTelemetry.Batch<Activity> batch)
    {
        foreach (Activity activity in batch)
        {
            string links = string.Concat(activity.Links.Select(link => $", links to {link.Context.TraceId.ToString()[..8]}"));
            Console.WriteLine($"trace   {activity.TraceId.ToString()[..8]} {activity.DisplayName} ({activity.Kind}, {activity.Duration.TotalMilliseconds:F1} ms{links})");
        }

        return OpenTelemetry.ExportResult.Success;
    }
}
