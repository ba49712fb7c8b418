using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Duologue.Conformance.Carriers;

namespace Duologue.Conformance.Subjects;

/// <summary>Hostile servers on plain sockets, clear or under TLS.</summary>
internal sealed class HostileTcpServer : HostileServer
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<string, Meeting> _meet;
    private readonly SslServerAuthenticationOptions? _tls;
    private readonly Task _accepting;

    private HostileTcpServer(Carrier carrier, Func<string, Meeting> meet)
    {
        _meet = meet;
        _tls = carrier.IsTls() ? new SslServerAuthenticationOptions { ServerCertificate = TlsIdentity.Certificate } : null;
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(512);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        _accepting = AcceptAsync();
    }

    public override int Port { get; }

    public static HostileTcpServer Start(Carrier carrier, Func<string, Meeting> meet) => new(carrier, meet);

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            Socket socket = await _listener.AcceptAsync(_stop.Token);
            _ = ServeAsync(socket);
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        Meeting? meeting = null;
        try
        {
            TcpWire wire = await TcpWire.AcceptedAsync(
                socket,
                _tls,
                async stream =>
                {
                    HttpHead head = await HttpHead.ReadAsync(stream, _stop.Token) ?? throw new IOException("The client ended before its request.");
                    meeting = _meet(head.Target);
                    meeting.Offered = head["Sec-WebSocket-Extensions"];
                    string extensions = meeting.Answer is null ? "" : $"Sec-WebSocket-Extensions: {meeting.Answer}\r\n";
                    string answer = $"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {HttpHead.AcceptFor(head["Sec-WebSocket-Key"] ?? "")}\r\n{extensions}\r\n";
                    await stream.WriteAsync(Encoding.ASCII.GetBytes(answer), _stop.Token);
                    return meeting.Offered;
                },
                _stop.Token);
            meeting!.Wire.TrySetResult(wire);
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or AuthenticationException or InvalidOperationException)
        {
            socket.Dispose();
            meeting?.Wire.TrySetException(e);
        }
    }
}
