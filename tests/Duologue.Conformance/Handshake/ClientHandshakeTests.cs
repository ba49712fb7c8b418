using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;

namespace Duologue.Conformance.Handshake;

/// <summary>Plays family 12 against the client. A test is the family over one carrier; its cases run side by side.</summary>
public abstract class ClientHandshakeTests
{
    private const int SideBySide = 24;

    // What a server that never ends its answer is waited for: these cases are about that time.
    private static readonly TimeSpan ShortTimeout = TimeSpan.FromSeconds(2);

    private readonly Carrier _carrier;

    internal ClientHandshakeTests(Carrier carrier) => _carrier = carrier;

    [Fact]
    public async Task Every_answer_is_judged_as_the_RFC_demands()
    {
        var complaints = new ConcurrentBag<string>();
        ClientHandshakeCase[] cases = [.. ClientHandshakeCases.All().Where(@case => @case.Id.StartsWith(Settings.Cases, StringComparison.Ordinal))];
        var options = new ParallelOptions { MaxDegreeOfParallelism = SideBySide, CancellationToken = TestContext.Current.CancellationToken };
        await Parallel.ForEachAsync(cases, options, async (@case, cancellationToken) =>
        {
            string? complaint = await PlayAsync(@case, cancellationToken);
            Report.Add(new Outcome(@case.Id, @case.Section, @case.Title, _carrier, "client", complaint, null));
            if (complaint is not null)
            {
                complaints.Add($"{@case.Id} ({@case.Section}) {@case.Title}: {complaint}");
            }
        });
        Assert.True(complaints.IsEmpty, $"{complaints.Count} of {cases.Length} cases failed over {_carrier.Name()}:\n{string.Join('\n', complaints.Order(StringComparer.Ordinal))}");
    }

    private async Task<string?> PlayAsync(ClientHandshakeCase @case, CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(Player.Patience);
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(8);
        Task<string?> serving = ServeAllAsync(listener, @case, patience.Token);
        Task<string?> connecting = ConnectAsync(((IPEndPoint)listener.LocalEndPoint!).Port, @case, patience.Token);
        try
        {
            return await connecting ?? await serving;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or SocketException)
        {
            return e.Message;
        }
    }

    private async Task<string?> ConnectAsync(int port, ClientHandshakeCase @case, CancellationToken cancellationToken)
    {
        // Only where nothing comes is the timeout what is waited for.
        bool waits = !@case.Opens && @case.Afterwards is Afterwards.Wait or Afterwards.Drip;
        var options = new ConnectOptions
        {
            UseProxy = false,
            ConnectTimeout = waits ? ShortTimeout : Player.Patience,
            Subprotocols = @case.Offer,
            RemoteCertificateValidationCallback = _carrier.IsTls() ? TlsIdentity.Trust : null,
        };
        try
        {
            await using Connection connection = await Connection.ConnectAsync(new Uri($"{(_carrier.IsTls() ? "wss" : "ws")}://127.0.0.1:{port}/chat?x=1"), options, cancellationToken);
            if (!@case.Opens)
            {
                return "the client took it";
            }

            if (connection.Subprotocol != @case.Subprotocol)
            {
                return $"the client reports the subprotocol {connection.Subprotocol ?? "(none)"}, expected {@case.Subprotocol ?? "none"}";
            }

            await Echo.TalkAsync(connection);
            return null;
        }
        catch (HandshakeException e)
        {
            if (@case.Opens)
            {
                return $"the client refused it: {e.Message}";
            }

            return @case.Status == 0 || (int?)e.StatusCode == @case.Status ? null : $"the exception has the status {(int?)e.StatusCode}, expected {@case.Status}";
        }
    }

    // A client may try again where it got no answer at all (RFC 9112 §9.3.1); it meets the same again. The first one is judged.
    private async Task<string?> ServeAllAsync(Socket listener, ClientHandshakeCase @case, CancellationToken cancellationToken)
    {
        string? complaint = await ServeAsync(listener, @case, cancellationToken);
        if (@case.Answer.Length == 0 && @case.Afterwards == Afterwards.End)
        {
            _ = ServeRetriesAsync();
        }

        return complaint;

        async Task ServeRetriesAsync()
        {
            try
            {
                while (true)
                {
                    await ServeAsync(listener, @case, cancellationToken);
                }
            }
            catch (Exception e) when (e is IOException or OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The client has given up, and the listener is gone.
            }
        }
    }

    private async Task<string?> ServeAsync(Socket listener, ClientHandshakeCase @case, CancellationToken cancellationToken)
    {
        Socket socket = await listener.AcceptAsync(cancellationToken);
        HttpHead? request = null;
        SslServerAuthenticationOptions? tls = _carrier.IsTls() ? new SslServerAuthenticationOptions { ServerCertificate = TlsIdentity.Certificate } : null;
        await using TcpWire wire = await TcpWire.AcceptedAsync(
            socket,
            tls,
            async stream =>
            {
                request = await HttpHead.ReadAsync(stream, cancellationToken);
                return null;
            },
            cancellationToken);
        if (request is null || JudgeRequest(request, @case) is { } wrong)
        {
            return request is null ? "the client sent no request" : JudgeRequest(request, @case);
        }

        string accept = HttpHead.AcceptFor(request["Sec-WebSocket-Key"]!);
        string head = @case.Answer.Replace("{accept}", accept, StringComparison.Ordinal).Replace("{ACCEPT}", accept.ToLowerInvariant(), StringComparison.Ordinal);
        var random = new Random(7);
        byte[] bytes = [.. Encoding.Latin1.GetBytes(head), .. @case.Early.SelectMany(frame => frame.Encode(fromClient: false, random))];
        try
        {
            foreach (byte[] piece in @case.Cut.Every > 0 ? bytes.Chunk(@case.Cut.Every) : bytes.Length == 0 ? [] : [bytes])
            {
                await wire.WriteAsync(piece, cancellationToken);
            }

            await GoOnAsync(wire, socket, @case.Afterwards, cancellationToken);
        }
        catch (IOException)
        {
            // The client has seen enough.
        }

        return @case.Opens ? await ConverseAsync(wire, @case, cancellationToken) : await AwaitEndAsync(wire, cancellationToken);
    }

    private static async Task GoOnAsync(TcpWire wire, Socket socket, Afterwards afterwards, CancellationToken cancellationToken)
    {
        switch (afterwards)
        {
            case Afterwards.End:
                await wire.EndAsync(cancellationToken);
                break;
            case Afterwards.Reset:
                socket.LingerState = new LingerOption(true, 0);
                socket.Dispose();
                break;
            case Afterwards.Drip:
                while (true)
                {
                    await wire.WriteAsync("x"u8.ToArray(), cancellationToken);
                    await Task.Delay(100, cancellationToken);
                }

            default:
                break;
        }
    }

    // RFC 6455 §4.1, requirements 2 to 12.
    private static string? JudgeRequest(HttpHead request, ClientHandshakeCase @case)
    {
        string key = request["Sec-WebSocket-Key"] ?? "";
        Span<byte> nonce = stackalloc byte[24];
        bool isKey = Convert.TryFromBase64String(key, nonce, out int length) && length == 16 && key.Length == 24;
        string[] once = ["Host", "Upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions", "Origin"];
        return request.FirstLine != "GET /chat?x=1 HTTP/1.1" ? $"the request is \"{request.FirstLine}\""
            : request["Host"]?.StartsWith("127.0.0.1:", StringComparison.Ordinal) != true ? $"Host is {request["Host"]}"
            : !string.Equals(request["Upgrade"], "websocket", StringComparison.OrdinalIgnoreCase) ? $"Upgrade is {request["Upgrade"]}"
            : request["Connection"]?.Split(',').Any(option => option.Trim().Equals("Upgrade", StringComparison.OrdinalIgnoreCase)) != true ? $"Connection is {request["Connection"]}"
            : request["Sec-WebSocket-Version"] != "13" ? $"Sec-WebSocket-Version is {request["Sec-WebSocket-Version"]}"
            : !isKey ? $"Sec-WebSocket-Key is {key}"
            : request["Content-Length"] is not null || request["Transfer-Encoding"] is not null ? "the request has a body"
            : (request["Sec-WebSocket-Protocol"] ?? "") != string.Join(", ", @case.Offer) ? $"Sec-WebSocket-Protocol is {request["Sec-WebSocket-Protocol"]}"
            : request["Sec-WebSocket-Extensions"] is { } offered ? $"Sec-WebSocket-Extensions is {offered}, and nothing was to be offered"
            : Array.Find(once, name => request.Headers.Count(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)) > 1) is { } twice ? $"{twice} comes twice"
            : null;
    }

    private static async Task<string?> ConverseAsync(TcpWire wire, ClientHandshakeCase @case, CancellationToken cancellationToken)
    {
        var transcript = new Transcript();
        var decoder = new FrameDecoder(fromClient: true, mayCompress: false, transcript);
        Task reading = ReadAsync();
        await transcript.WaitAsync(t => t.MessageCount == @case.Early.Count, cancellationToken);
        await wire.WriteAsync(Frame.Close(1000).Encode(fromClient: false, new Random(1)), cancellationToken);
        await transcript.WaitAsync(t => t.Close is not null, cancellationToken);
        await wire.EndAsync(cancellationToken);
        await reading;
        bool same = transcript.Messages.Count == @case.Early.Count
            && transcript.Messages.Zip(@case.Early).All(pair => pair.First.IsText == (pair.Second.Opcode == 1) && pair.First.Bytes.AsSpan().SequenceEqual(pair.Second.Payload));
        return transcript.Fault ?? (same && transcript.Close?.Code == 1000 && transcript.Ending!.Kind == EndKind.Clean ? null : $"behind the 101: {transcript}");

        async Task ReadAsync()
        {
            byte[] buffer = new byte[16 * 1024];
            int count;
            while ((count = await wire.ReadAsync(buffer, cancellationToken)) > 0)
            {
                decoder.Take(buffer.AsSpan(0, count));
            }

            transcript.End(wire.Ending!);
        }
    }

    // A client that refuses ends the connection (§7.1.7), by FIN or RST, and says nothing more.
    private static async Task<string?> AwaitEndAsync(TcpWire wire, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[256];
        return await wire.ReadAsync(buffer, cancellationToken) == 0 ? null : "the client went on talking";
    }
}

public sealed class ClientHandshakeOverHttp1Tests() : ClientHandshakeTests(Carrier.Http1);

public sealed class ClientHandshakeOverHttp1TlsTests() : ClientHandshakeTests(Carrier.Http1Tls);
