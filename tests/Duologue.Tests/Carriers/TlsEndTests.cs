using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Duologue.Carriers;
using Duologue.Tests.Client.Peers;

namespace Duologue.Tests.Carriers;

public class TlsEndTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_peer_reads_the_end_of_the_session_while_TCP_goes_on()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var client = new TcpClient();
        await client.ConnectAsync((IPEndPoint)listener.LocalEndpoint, Cancelled);
        using TcpClient server = await listener.AcceptTcpClientAsync(Cancelled);
        await using var theirs = new SslStream(client.GetStream(), false, Certificates.TrustServer);
        await using var ours = new SslStream(server.GetStream());
        await Task.WhenAll(
            ours.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = Certificates.Server }, Cancelled),
            theirs.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "localhost" }, Cancelled));

        await TlsEnd.SendAsync(ours);

        // TCP has not ended: only close_notify can be what is read.
        Assert.Equal(0, await theirs.ReadAsync(new byte[1], Cancelled).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Cancelled));
        await TlsEnd.SendAsync(ours);
    }

    [Fact]
    public async Task A_session_that_never_began_or_is_gone_does_no_harm()
    {
        var tls = new SslStream(new MemoryStream());
        await TlsEnd.SendAsync(tls);
        await tls.DisposeAsync();
        await TlsEnd.SendAsync(tls);
    }
}
