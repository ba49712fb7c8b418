using System.Collections.Concurrent;
using System.Globalization;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;

namespace Duologue.Conformance.Deflate;

/// <summary>
/// Family 13: permessage-deflate in volume: every combination of parameters at message sizes from 16 bytes to 128 KiB. In the strict run
/// 1,000 messages each, in the quick run 10 for a few combinations.
/// </summary>
public abstract class DeflateVolumeTests : IAsyncLifetime
{
    private const int SideBySide = 2;
    private const int BatchBytes = 512 * 1024;

    private static readonly string[] Flags = ["", "server_no_context_takeover", "client_no_context_takeover", "both"];

    private readonly Arena _arena;

    internal DeflateVolumeTests(Arena arena) => _arena = arena;

    public static TheoryData<int, string> Rows => [.. DeflateCases.Sizes.SelectMany(size => Flags.Select(flags => (size, flags)))];

    public async ValueTask InitializeAsync() => await _arena.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _arena.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Messages_come_back_whole_with_every_combination(int size, string flags)
    {
        int group = Array.IndexOf(DeflateCases.Sizes, size) + 1;
        string[] combinations = [.. (_arena.JudgesServer ? DeflateCases.AllOffers() : DeflateCases.AllAnswers(Profile.RoomyDedicated)).Where(text => FlagsOf(text) == flags)];
        (Case Case, string Text)[] cases =
        [
            .. combinations
                .Select((text, i) => (Case: new Case(string.Create(CultureInfo.InvariantCulture, $"13.{group}.{(Array.IndexOf(Flags, flags) * 1000) + i + 1}"), "RFC 7692 §7.1", $"{Count} messages of {size} bytes: {text}") { Extensions = text, Profile = Profile.RoomyDedicated }, text))
                .Where(pair => (Settings.Strict || IsQuick(pair.text)) && pair.Case.Id.StartsWith(Settings.Cases, StringComparison.Ordinal)),
        ];
        byte[][] documents = [.. Enumerable.Range(0, 7).Select(i => DeflateCases.Document(size, i))];
        var complaints = new ConcurrentBag<string>();
        var options = new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForEachAsync(cases, options, async (item, cancellationToken) =>
        {
            string? complaint = await PlayAsync(item.Case, documents, cancellationToken);
            Report.Add(Outcome.Of(item.Case, _arena.Carrier, _arena.Subject, complaint));
            if (complaint is not null)
            {
                complaints.Add($"{item.Case.Id} {item.Case.Title}: {complaint}");
            }
        });
        Assert.True(complaints.IsEmpty, $"{complaints.Count} of {cases.Length} cases failed:\n{string.Join('\n', complaints.Take(20))}");
    }

    private static string FlagsOf(string text) =>
        (text.Contains("server_no", StringComparison.Ordinal), text.Contains("client_no", StringComparison.Ordinal)) switch
        {
            (true, true) => "both",
            (true, _) => "server_no_context_takeover",
            (_, true) => "client_no_context_takeover",
            _ => "",
        };

    // Neither window bounded, or one of them at its smallest or largest.
    private static bool IsPrincipal(string text) =>
        !Enumerable.Range(10, 5).Append(8).Any(bits => text.Contains(string.Create(CultureInfo.InvariantCulture, $"_bits={bits}"), StringComparison.Ordinal));

    private static bool IsQuick(string text) =>
        IsPrincipal(text) && !text.Contains("_bits=15", StringComparison.Ordinal) && !text.EndsWith("client_max_window_bits", StringComparison.Ordinal);

    private static int Count => Settings.Strict ? 1000 : 10;

    private async Task<string?> PlayAsync(Case @case, byte[][] documents, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(TimeSpan.FromMinutes(4));
        try
        {
            await using Wire wire = await _arena.OpenAsync(@case, patience.Token);
            if (wire.Extensions is null && @case.Extensions!.Contains("server_max_window_bits=8", StringComparison.Ordinal))
            {
                return null;
            }

            return DeflateTerms.Settle(@case.Extensions!, wire.Extensions, _arena.JudgesServer, out DeflateTerms? terms)
                ?? await ConverseAsync(wire, terms!, documents, patience.Token);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or TimeoutException or DuologueException)
        {
            return e.Message;
        }
    }

    private async Task<string?> ConverseAsync(Wire wire, DeflateTerms terms, byte[][] documents, CancellationToken cancellationToken)
    {
        var transcript = new Transcript();
        Task reading = ReadAsync(wire, new FrameDecoder(!_arena.JudgesServer, mayCompress: true, transcript), transcript, cancellationToken);
        var sender = new CompressingSender(terms);
        Inflater inflater = terms.CreateInflater();
        var random = new Random(Count);
        int batch = Math.Max(1, BatchBytes / documents[0].Length);
        for (int at = 0; at < Count; at += batch)
        {
            int now = Math.Min(batch, Count - at);
            using var bytes = new MemoryStream();
            for (int i = at; i < at + now; i++)
            {
                bytes.Write(sender.Message(1 + (i & 1), documents[i % documents.Length]).Encode(_arena.JudgesServer, random));
            }

            await wire.WriteAsync(bytes.GetBuffer().AsMemory(0, (int)bytes.Length), cancellationToken);
            if (!await transcript.WaitAsync(t => t.MessageCount == now, cancellationToken))
            {
                return $"after {at} messages: {transcript}";
            }

            if (Check(transcript.TakeMessages(), at, documents, inflater, terms) is { } wrong)
            {
                return wrong;
            }
        }

        await wire.WriteAsync(Frame.Close(1000).Encode(_arena.JudgesServer, random), cancellationToken);
        await transcript.WaitAsync(t => t.Close is not null, cancellationToken);
        if (!_arena.JudgesServer)
        {
            await wire.EndAsync(cancellationToken);
        }

        await reading;
        return transcript.Fault ?? (transcript is { Close.Code: 1000, Ending.Kind: EndKind.Clean } ? null : transcript.ToString());
    }

    private static string? Check(Received[] messages, int first, byte[][] documents, Inflater inflater, DeflateTerms terms)
    {
        for (int i = 0; i < messages.Length; i++)
        {
            byte[] bytes = messages[i].Bytes;
            if (messages[i].Compressed)
            {
                if (inflater.TryInflate(bytes, out byte[]? inflated) is { } broken)
                {
                    return string.Create(CultureInfo.InvariantCulture, $"message {first + i + 1}: {broken}");
                }

                bytes = inflated!;
                if (terms.InboundNoTakeover)
                {
                    inflater.Reset();
                }
            }

            if (messages[i].IsText != ((first + i) % 2 == 0) || !bytes.AsSpan().SequenceEqual(documents[(first + i) % documents.Length]))
            {
                return string.Create(CultureInfo.InvariantCulture, $"message {first + i + 1} came back changed");
            }
        }

        return null;
    }

    private static async Task ReadAsync(Wire wire, FrameDecoder decoder, Transcript transcript, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 * 1024];
        int count;
        while ((count = await wire.ReadAsync(buffer, cancellationToken)) > 0)
        {
            decoder.Take(buffer.AsSpan(0, count));
        }

        transcript.End(wire.Ending!);
    }
}

public sealed class ServerDeflateVolumeTests() : DeflateVolumeTests(new ServerArena(Carrier.Http1, handlerClass: true));

public sealed class ClientDeflateVolumeTests() : DeflateVolumeTests(new ClientArena(Carrier.Http1));
