using System.Diagnostics;
using System.Globalization;
using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>
/// The same random streams, valid and broken, into Duologue, npm's ws and System.Net.WebSockets. Duologue must do what the RFC
/// says; the others too, but for what <see cref="Dialects"/> lists. So must compressed ones, which mean what they mean without compression. A long run: DUOLOGUE_DIFFERENTIAL_MINUTES=10.
/// </summary>
public sealed class DifferentialTests
{
    private const int ShortRun = 1500;

    /// <summary>One row of a few seconds, or one a minute.</summary>
    public static TheoryData<int, int> Runs()
    {
        int? given = Number("DUOLOGUE_DIFFERENTIAL_SEED");
        var rows = new TheoryData<int, int>();
        if (Number("DUOLOGUE_DIFFERENTIAL_MINUTES") is not { } minutes)
        {
            // The same streams every time: how the others read a new one is for the long run to find out.
            rows.Add(given ?? 0, 0);
            return rows;
        }

        int seed = given ?? Random.Shared.Next();
        for (int i = 0; i < minutes; i++)
        {
            // Far enough apart that the minutes do not try the same cases.
            rows.Add(unchecked(seed + (i * 10_000_019)), 60);
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Runs), DisableDiscoveryEnumeration = true)]
    public Task Random_streams_are_received_as_the_RFC_says_and_differences_of_others_are_known(int seed, int seconds) =>
        RunAsync(StreamCase.Generate, seed, seconds);

    [Theory]
    [MemberData(nameof(Runs), DisableDiscoveryEnumeration = true)]
    public Task Random_streams_with_compressed_messages_are_received_as_without(int seed, int seconds) =>
        RunAsync(StreamCase.GenerateCompressed, seed, seconds);

    private static async Task RunAsync(Func<int, StreamCase> generate, int seed, int seconds)
    {
        await using var node = new NodeReceiver();
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(4));
        var clock = Stopwatch.StartNew();
        for (int i = 0; seconds == 0 ? i < ShortRun : clock.Elapsed.TotalSeconds < seconds; i++)
        {
            await CompareAsync(generate(unchecked(seed + i)), unchecked(seed + i), node, patience.Token);
        }
    }

    private static async Task CompareAsync(StreamCase given, int seed, NodeReceiver node, CancellationToken cancellationToken)
    {
        Check("Duologue", Dialect.None, await DuologueReceiver.PlayAsync(given, cancellationToken));
        Check("System.Net.WebSockets", given.Compression is null ? Dialects.System : Dialects.SystemWithCompression, await SystemReceiver.PlayAsync(given, cancellationToken));
        Check("ws", Dialects.Ws, await node.PlayAsync(given, cancellationToken));

        void Check(string receiver, Dialect dialect, Outcome actual)
        {
            Outcome expected = Outcome.Expected(given, dialect, out StreamEvent? last);
            Assert.True(expected.Same(actual), string.Create(
                CultureInfo.InvariantCulture,
                $"""
                {receiver} does not do what is expected of it (DUOLOGUE_DIFFERENTIAL_SEED={seed}).
                expected: {expected}, after {last?.Violation ?? last?.Opcode.ToString(CultureInfo.InvariantCulture) ?? "nothing"}; dialect {dialect}
                actual:   {actual}
                stream {(given.ToServer ? "to a server" : "to a client")}, takeover {given.Compression?.ToString() ?? "not agreed"}, in chunks: {string.Join(' ', given.Chunks.Select(Convert.ToHexStringLower))}
                """));
        }
    }

    private static int? Number(string variable) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number) ? number : null;
}
