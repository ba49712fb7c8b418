using System.Text;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Tests.Shared;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace Duologue.AspNetCore.Tests.Integration;

/// <summary>
/// An HTTP/2 client that ends its direction of the stream right behind what it sent (RFC 8441 §5: END_STREAM is its FIN). By hand: .NET's client cannot.
/// </summary>
public class Http2HalfCloseTests
{
    [Theory]
    [InlineData(true, "late", 1000)]
    [InlineData(false, "late", null)]
    public async Task END_STREAM_right_behind_the_last_frame_does_not_cost_the_late_answer(bool closes, string text, int? code)
    {
        var gate = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapDuologue("/", async connection =>
            {
                await foreach (Message message in connection.ReadAllAsync())
                {
                    begun.TrySetResult();
                    await gate.Task;
                    connection.Send(message.Data.Span, message.Type);
                }
            }).WithOptions(options => options.CloseTimeout = TimeSpan.FromMinutes(2)),
            _ => { },
            builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Protocols = HttpProtocols.Http2)));
        await using RawHttp2Client client = await RawHttp2Client.ConnectAsync(host.Url);
        await client.OpenWebSocketAsync(1, host.Url.Authority, "/");
        byte[] close = closes ? MaskedFrame(0x88, [0x03, 0xE8]) : [];
        await client.SendAsync(Http2Frame.Data, Http2Frame.EndStream, 1, [.. MaskedFrame(0x81, Encoding.UTF8.GetBytes(text)), .. close]);
        await begun.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        gate.SetResult();

        var answer = new List<byte>();
        for (bool ended = false; !ended;)
        {
            Http2Frame frame = await client.ReadUntilAsync(Http2Frame.Data);
            answer.AddRange(frame.Payload);
            ended = frame.EndsStream;
        }

        byte[] expected = [0x81, (byte)text.Length, .. Encoding.UTF8.GetBytes(text), .. code is { } c ? (byte[])[0x88, 2, (byte)(c >> 8), (byte)c] : []];
        Assert.Equal(expected, answer);
    }

    /// <summary>A client's WebSocket frame, with a mask of zeros: still a mask.</summary>
    private static byte[] MaskedFrame(byte first, byte[] payload) => [first, (byte)(0x80 | payload.Length), 0, 0, 0, 0, .. payload];
}
