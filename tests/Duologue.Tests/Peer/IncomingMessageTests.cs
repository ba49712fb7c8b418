using System.Buffers;
using Duologue.Peer;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Peer;

public sealed class IncomingMessageTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Pieces_of_one_byte_share_an_array()
    {
        await using RawPeer peer = RawPeer.Start();
        await using var message = new IncomingMessage(peer.Connection, MessageType.Binary);
        for (int i = 0; i < 3000; i++)
        {
            byte[] piece = ArrayPool<byte>.Shared.Rent(1);
            piece[0] = (byte)i;
            message.Append(piece, 1);
        }

        // The pool's smallest array has room for 16.
        Assert.Equal((3000, (3000 + 15) / 16), (message.Total, message.PieceCount));
        byte[] read = new byte[3001];
        Assert.Equal(3000, await message.ReadAsync(read, Token).Soon());
        Assert.Equal(Enumerable.Range(0, 3000).Select(i => (byte)i), read[..3000]);
    }

    [Fact]
    public async Task A_read_that_waited_when_its_stream_was_disposed_of_never_ended()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.SendAsync(WireFrame.OfText("a"u8) with { Fin = false });
        MessageStream? stream = await peer.Connection.OpenReadAsync(Token).Soon();
        Assert.Equal(1, await stream!.ReadAsync(new byte[10], Token).Soon());
        Task<int> reading = stream.ReadAsync(new byte[10], Token).AsTask();
        Assert.False(reading.IsCompleted);

        await stream.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading.Soon());
    }
}
