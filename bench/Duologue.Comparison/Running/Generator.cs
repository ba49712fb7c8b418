using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Duologue.Comparison;

/// <summary>Runs the load of a case on a server, and reads its figures. Either the repository's generator, or an independent one where that has the mode.</summary>
internal sealed class Generator(string[] own, string? independent, int? core)
{
    // What it takes beside the time of measuring: handshakes, the start of the process.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(150);

    /// <summary>Whether the independent one does it.</summary>
    public bool UsesIndependent(BenchCase one) => independent is not null && one is { Kind: CaseKind.Echo or CaseKind.FanOut, Tls: false };

    /// <exception cref="RunException">The load failed.</exception>
    public IReadOnlyDictionary<string, double> Run(BenchCase one, ServerProcess server, double warmup, double seconds)
    {
        string[] command = [.. UsesIndependent(one) ? [independent!] : own, .. Arguments(one, server.Port, server.Id, warmup, seconds, UsesIndependent(one))];
        if (core is not null)
        {
            command = ["taskset", "-c", core.Value.ToString(CultureInfo.InvariantCulture), .. command];
        }

        using Process process = Process.Start(new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> said = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeSpan.FromSeconds(warmup + seconds) + Patience))
        {
            process.Kill(entireProcessTree: true);
            throw new RunException("The generator did not end.");
        }

        return process.ExitCode == 0 ? Parse(said.Result) : throw new RunException(errors.Result.Trim());
    }

    /// <summary>Both take HOST PORT PATH CONNECTIONS PAYLOAD DEPTH SECONDS; they differ in how they are told of compression.</summary>
    internal static string[] Arguments(BenchCase one, int port, int processId, double warmup, double seconds, bool independent)
    {
        List<string> arguments =
        [
            "127.0.0.1", Invariant(port), one.Kind == CaseKind.FanOut ? "/fanout" : "/echo", Invariant(one.Connections), Invariant(one.Payload), Invariant(one.Depth), Invariant(Duration(one, seconds)),
            "--pid", Invariant(processId), "--warmup", Invariant(warmup), "--jsonout",
        ];
        arguments.AddRange(one.Kind switch
        {
            CaseKind.FanOut => ["--broadcast", "--pubpath", "/fanout/publish"],
            CaseKind.OpenLoop => ["--rate", Invariant(one.Rate)],
            CaseKind.Connect => ["--connect"],
            CaseKind.Idle => ["--idle", "--from", Invariant(one.From), "--collect", "/collect"],
            CaseKind.Burst => ["--burst", "--collect", "/collect"],
            _ => Array.Empty<string>(),
        });
        if (one.Text)
        {
            arguments.Add("--text");
        }

        if (one.Tls)
        {
            arguments.Add("--tls");
        }

        if (one.Deflate != "off")
        {
            arguments.AddRange(independent ? ["--json", one.Deflate == "shared" ? "--deflate-nct" : "--deflate"] : ["--deflate", one.Deflate]);
        }

        return [.. arguments];
    }

    /// <summary>How long one measurement takes at rest, or after a crowd has gone, has nothing to do with how long a window is.</summary>
    public static double Duration(BenchCase one, double seconds) => one.Kind switch
    {
        CaseKind.Idle => 3,
        CaseKind.Burst => 60,
        _ => seconds,
    };

    /// <summary>All numbers of a JSON object.</summary>
    internal static Dictionary<string, double> Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.EnumerateObject().Where(member => member.Value.ValueKind == JsonValueKind.Number).ToDictionary(member => member.Name, member => member.Value.GetDouble());
    }

    private static string Invariant(double number) => number.ToString(CultureInfo.InvariantCulture);
}
