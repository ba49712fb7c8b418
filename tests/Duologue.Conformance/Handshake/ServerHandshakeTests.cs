using System.Collections.Concurrent;
using System.Text;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;

namespace Duologue.Conformance.Handshake;

/// <summary>Plays family 11 against the server. A test is the family over one carrier; its cases run side by side.</summary>
public abstract class ServerHandshakeTests : IAsyncLifetime
{
    private const int SideBySide = 24;

    private readonly ServerArena _arena;

    internal ServerHandshakeTests(ServerArena arena) => _arena = arena;

    public async ValueTask InitializeAsync() => await _arena.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _arena.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Every_opening_request_is_answered_as_the_RFC_demands()
    {
        var complaints = new ConcurrentBag<string>();
        ServerHandshakeCase[] cases = [.. ServerHandshakeCases.All().Where(@case => @case.Id.StartsWith(Settings.Cases, StringComparison.Ordinal))];
        var options = new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForEachAsync(cases, options, async (@case, cancellationToken) =>
        {
            string? complaint = await PlayAsync(@case, cancellationToken);
            Report.Add(new Outcome(@case.Id, @case.Section, @case.Title, _arena.Carrier, "server", complaint, null));
            if (complaint is not null)
            {
                complaints.Add($"{@case.Id} ({@case.Section}) {@case.Title}: {complaint}");
            }
        });
        Assert.True(complaints.IsEmpty, $"{complaints.Count} of {cases.Length} cases failed over {_arena.Carrier.Name()}:\n{string.Join('\n', complaints.Order(StringComparer.Ordinal))}");
    }

    private async Task<string?> PlayAsync(ServerHandshakeCase @case, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Player.Patience);
        try
        {
            await using TcpWire wire = await _arena.ConnectAsync(patience.Token);
            await SendAsync(wire, Encoding.Latin1.GetBytes(@case.Request), @case.Cut.Every, patience.Token);
            HttpHead? answer = await HttpHead.ReadAsync(wire.Stream, patience.Token);
            if (answer is null)
            {
                return @case.Statuses.Contains(ServerHandshakeCase.NoAnswer) ? null : "the connection ended without an answer";
            }

            return Judge(@case, answer) ?? (answer.Status == 101 ? await ConverseAsync(wire, patience.Token) : null);
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return e.Message;
        }
    }

    private static async Task SendAsync(TcpWire wire, byte[] request, int every, CancellationToken cancellationToken)
    {
        try
        {
            foreach (byte[] piece in every == 0 ? [request] : request.Chunk(every))
            {
                await wire.WriteAsync(piece, cancellationToken);
            }
        }
        catch (IOException)
        {
            // A server may refuse before it has read all; its answer is read in any case.
        }
    }

    private static string? Judge(ServerHandshakeCase @case, HttpHead answer)
    {
        if (!answer.FirstLine.StartsWith("HTTP/1.1 ", StringComparison.Ordinal) || !@case.Statuses.Contains(answer.Status))
        {
            return $"answered \"{answer.FirstLine}\", expected {string.Join(" or ", @case.Statuses)}";
        }

        foreach ((string name, string? value) in @case.Headers)
        {
            if (!string.Equals(answer[name], value, StringComparison.OrdinalIgnoreCase))
            {
                return $"answered {name}: {answer[name] ?? "(none)"}, expected {value ?? "none"}";
            }
        }

        // RFC 6455 §4.2.2, item 5, and RFC 9110 §7.8.
        string key = @case.Request.Split("\r\n").FirstOrDefault(line => line.StartsWith("Sec-WebSocket-Key:", StringComparison.OrdinalIgnoreCase))?.Split(':', 2)[1].Trim() ?? "";
        return answer.Status switch
        {
            101 when !string.Equals(answer["Upgrade"], "websocket", StringComparison.OrdinalIgnoreCase) => $"101 with Upgrade: {answer["Upgrade"]}",
            101 when !string.Equals(answer["Connection"], "Upgrade", StringComparison.OrdinalIgnoreCase) => $"101 with Connection: {answer["Connection"]}",
            101 when answer["Sec-WebSocket-Accept"] != HttpHead.AcceptFor(key) => $"101 with Sec-WebSocket-Accept: {answer["Sec-WebSocket-Accept"]}",
            101 when answer["Content-Length"] is not null || answer["Transfer-Encoding"] is not null => "101 with a body",
            426 when answer["Upgrade"] is null || answer["Connection"]?.Contains("Upgrade", StringComparison.OrdinalIgnoreCase) != true => "426 that does not name what to upgrade to",
            405 when answer["Allow"] is null => "405 without Allow",
            _ when answer.Status != 101 && answer["Sec-WebSocket-Accept"] is not null => "a refusal with Sec-WebSocket-Accept",
            _ => null,
        };
    }

    // What was accepted must be a WebSocket: a close handshake shows it.
    private static async Task<string?> ConverseAsync(TcpWire wire, CancellationToken cancellationToken)
    {
        await wire.WriteAsync(Frame.Close(1000).Encode(fromClient: true, new Random(1)), cancellationToken);
        byte[] answer = new byte[4];
        await wire.Stream.ReadExactlyAsync(answer, cancellationToken);
        return answer is [0x88, 2, 3, 232] ? null : $"behind the 101 came {Convert.ToHexString(answer)}";
    }
}

public sealed class ServerHandshakeOverHttp1Tests() : ServerHandshakeTests(new ServerArena(Carrier.Http1, handlerClass: false));

public sealed class ServerHandshakeOverHttp1TlsTests() : ServerHandshakeTests(new ServerArena(Carrier.Http1Tls, handlerClass: false));
