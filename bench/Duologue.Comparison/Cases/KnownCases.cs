using System.Globalization;
using System.IO.Enumeration;

namespace Duologue.Comparison;

/// <summary>All that is measured. A new row is one entry.</summary>
internal static class KnownCases
{
    private const int Kibi = 1024;

    // Descriptors that a server needs beside its connections, and what a case shrinks by.
    private const int Reserve = 500;
    private const int Step = 500;

    public static IReadOnlyList<BenchCase> All { get; } =
    [
        .. Echoes(text: false),
        .. Echoes(text: true),
        new("pipelined-20x64x16", "20 B × 64, 16 in flight", CaseKind.Echo) { Depth = 16 },
        new("text-pipelined-20x64x16", "20 B of text × 64, 16 in flight", CaseKind.Echo) { Depth = 16, Text = true },
        new("fanout-128x1000", "128 B to 1,000 receivers, 16 in flight", CaseKind.FanOut) { Payload = 128, Connections = 1000, Depth = 16 },
        new("fanout-20x1000", "20 B to 1,000 receivers, one in flight", CaseKind.FanOut) { Connections = 1000 },
        new("connect", "from nothing to the first echo, 64 opening at once", CaseKind.Connect) { Connections = 500, Depth = 64 },
        .. new[] { 1_000, 10_000, 50_000 }.Select(rate =>
            new BenchCase($"latency-{rate / 1000}k", $"20 B × 64, {rate:N0} messages a second whatever comes", CaseKind.OpenLoop) { Rate = rate }),
        new("tls-20x64", "TLS, 20 B × 64", CaseKind.Echo) { Tls = true },
        new("tls-1kx64", "TLS, 1 KiB × 64", CaseKind.Echo) { Tls = true, Payload = Kibi },
        new("tls-16kx64", "TLS, 16 KiB × 64", CaseKind.Echo) { Tls = true, Payload = 16 * Kibi },
        new("tls-connect", "TLS, from nothing to the first echo, 64 opening at once", CaseKind.Connect) { Tls = true, Connections = 200, Depth = 64 },
        new("deflate-shared-1kx64", "1 KiB of JSON × 64, compressed without context", CaseKind.Echo) { Deflate = "shared", Payload = Kibi },
        new("deflate-dedicated-1kx64", "1 KiB of JSON × 64, compressed with context", CaseKind.Echo) { Deflate = "dedicated", Payload = Kibi },
        new("idle", "at rest, from 10,000 to 30,000 connections", CaseKind.Idle) { From = 10_000, Connections = 30_000 },
        new("burst", "a minute after 10,000 connections have come and gone", CaseKind.Burst) { Connections = 10_000 },
        .. new[] { "off", "shared", "dedicated:9", "dedicated:12", "dedicated" }.Select(mode =>
            new BenchCase($"memory-{mode.Replace(":", "", StringComparison.Ordinal)}-1k", $"compression {mode}: at rest, from 250 to 1,000 connections after 3 messages of 1 KiB", CaseKind.Idle) { Deflate = mode, From = 250, Connections = 1_000, Payload = Kibi, Depth = 3 }),
        .. new[] { "off", "shared" }.Select(mode =>
            new BenchCase($"memory-{mode}-10k", $"compression {mode}: at rest, from 2,500 to 10,000 connections after 3 messages of 1 KiB", CaseKind.Idle) { Deflate = mode, From = 2_500, Connections = 10_000, Payload = Kibi, Depth = 3 }),
    ];

    /// <summary>The same cases with no more connections than a process may have descriptors.</summary>
    public static IReadOnlyList<BenchCase> Fit(IEnumerable<BenchCase> cases, long descriptors) =>
        [.. cases.Select(one => one.Connections + Reserve <= descriptors ? one : Shrink(one, (int)(descriptors - Reserve) / Step * Step))];

    /// <param name="patterns">Names, * for anything.</param>
    public static IReadOnlyList<BenchCase> Select(IEnumerable<string> patterns) =>
        [.. All.Where(one => patterns.Any(pattern => FileSystemName.MatchesSimpleExpression(pattern, one.Name)))];

    private static BenchCase Shrink(BenchCase one, int connections)
    {
        int from = Math.Min(one.From, connections / 2);
        string title = one.Title
            .Replace(one.Connections.ToString("N0", CultureInfo.InvariantCulture), connections.ToString("N0", CultureInfo.InvariantCulture), StringComparison.Ordinal)
            .Replace(one.From.ToString("N0", CultureInfo.InvariantCulture), from.ToString("N0", CultureInfo.InvariantCulture), StringComparison.Ordinal);
        return one with { Connections = connections, From = from, Title = title + " (what the limit of open files allows)" };
    }

    private static IEnumerable<BenchCase> Echoes(bool text)
    {
        (string Size, string Title, int Payload, int Connections)[] loads =
        [
            ("20", "20 B", 20, 1),
            ("20", "20 B", 20, 64),
            ("20", "20 B", 20, 1000),
            ("512", "512 B", 512, 64),
            ("1k", "1 KiB", Kibi, 64),
            ("8k", "8 KiB", 8 * Kibi, 64),
            ("16k", "16 KiB", 16 * Kibi, 64),
            ("64k", "64 KiB", 64 * Kibi, 16),
        ];
        return loads.Select(load => new BenchCase(
            $"{(text ? "text" : "echo")}-{load.Size}x{load.Connections}",
            $"{load.Title}{(text ? " of text" : "")} × {load.Connections:N0}",
            CaseKind.Echo)
        {
            Payload = load.Payload,
            Connections = load.Connections,
            Text = text,
        });
    }
}
