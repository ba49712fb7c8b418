using System.Text;
using Duologue.EventLoop.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Tests.Transport;

/// <summary>WebSockets as streams of one TCP connection in clear text (RFC 8441), whose client does what well-behaved ones do not.</summary>
public class Http2Tests
{
    private const int Streams = 60;

    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Streams_that_are_reset_within_a_message_cost_the_others_nothing_and_a_client_that_vanishes_leaves_nothing(EventLoopBackend backend)
    {
        await using LoopHost host = await LoopHost.StartAsync(
            options => (options.Backend, options.Loops) = (backend, 2),
            app => app.MapDuologue<EchoHandler>("/"),
            _ => { },
            listen => listen.Protocols = HttpProtocols.Http2);
        var connections = host.Services.GetRequiredService<AspNetCore.Connections>();
        RawHttp2Client client = await RawHttp2Client.ConnectAsync(host.Url);
        await using (client)
        {
            int[] ids = [.. Enumerable.Range(0, Streams).Select(i => (2 * i) + 1)];
            foreach (int id in ids)
            {
                await client.OpenWebSocketAsync(id, host.Url.Authority, "/");
                await client.SendAsync(Http2Frame.Data, 0, id, FrameOf(id)[..8]);
            }

            Assert.Equal((Streams, 1), (connections.Count, host.SocketCount));
            foreach (int id in ids.Where(IsReset))
            {
                await client.SendAsync(Http2Frame.Reset, 0, id, [0, 0, 0, 8]);
            }

            await Eventually.True(() => connections.Count == ids.Count(id => !IsReset(id)), () => $"{connections.Count} are left.");
            foreach (int id in ids.Where(id => !IsReset(id)))
            {
                await client.SendAsync(Http2Frame.Data, 0, id, FrameOf(id)[8..]);
                Http2Frame echo = await client.ReadUntilAsync(Http2Frame.Data);
                Assert.Equal(TextOf(id), Encoding.ASCII.GetString(echo.Payload[2..]));
            }
        }

        // It is gone without a word, to its streams or to their WebSockets.
        await Eventually.True(() => connections.Count == 0 && host.SocketCount == 0, () => $"{connections.Count} WebSockets and {host.SocketCount} sockets are left.");
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= LogLevel.Error);
    }

    private static bool IsReset(int id) => id % 4 == 1;

    private static string TextOf(int id) => $"what {id} says";

    /// <summary>A client's text frame, with a mask of zeros: still a mask.</summary>
    private static byte[] FrameOf(int id) => [0x81, (byte)(0x80 | TextOf(id).Length), 0, 0, 0, 0, .. Encoding.ASCII.GetBytes(TextOf(id))];
}
