using Duologue.Protocol;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Peer;

public sealed class MessageWriteStreamTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Pieces_leave_as_fragments_and_disposing_ends_the_message(bool server)
    {
        await using RawPeer peer = RawPeer.Start(role: server ? Role.Server : Role.Client, takes: 1000);
        byte[] message = new byte[100_000];
        new Random(1).NextBytes(message);
        Task writing = Task.Run(
            async () =>
            {
                await using Stream stream = peer.Connection.OpenWrite(MessageType.Binary);
                for (int at = 0; at < message.Length; at += 7000)
                {
                    await stream.WriteAsync(message.AsMemory(at, Math.Min(7000, message.Length - at)), Token);
                }
            },
            Token);
        (byte[] data, int fragments) = await peer.ReadMessageAsync();
        await writing.Soon();
        Assert.Equal(message, data);
        Assert.InRange(fragments, 6, 8);
        Assert.Equal(1, peer.Observed.Sent);
    }

    [Fact]
    public async Task Flush_sends_what_there_is()
    {
        await using RawPeer peer = RawPeer.Start();
        await using (Stream stream = peer.Connection.OpenWrite(MessageType.Text))
        {
            await stream.WriteAsync("ab"u8.ToArray(), Token);
            await stream.FlushAsync(Token);
            WireFrame? frame = await peer.ReadAsync();
            Assert.Equal((WireFrame.Text, false), (frame!.Opcode, frame.Fin));
            Assert.Equal("ab"u8, frame.Payload);
            await stream.FlushAsync(Token);
        }

        WireFrame? last = await peer.ReadAsync();
        Assert.Equal((WireFrame.Continuation, true, 0), (last!.Opcode, last.Fin, last.Payload.Length));
    }

    [Fact]
    public async Task A_stream_that_was_never_written_to_is_an_empty_message()
    {
        await using RawPeer peer = RawPeer.Start();
        await peer.Connection.OpenWrite(MessageType.Binary).DisposeAsync();
        Assert.Empty(await peer.ReadAsync(WireFrame.Binary));
    }

    [Fact]
    public async Task Other_messages_wait_until_it_ends_and_pongs_do_not()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Text);
        await stream.WriteAsync("a"u8.ToArray(), Token);
        await stream.FlushAsync(Token);
        Assert.Equal("a", await peer.ReadTextAsync());
        Assert.Equal(SendResult.Queued, peer.Connection.Send("later"));
        Task sending = peer.Connection.SendAsync("later still", Token).AsTask();
        await peer.SendAsync(new WireFrame(WireFrame.Ping, [1]));
        Assert.Equal([1], await peer.ReadAsync(WireFrame.Pong));
        Assert.False(sending.IsCompleted);
        await stream.DisposeAsync();
        Assert.Empty(await peer.ReadAsync(WireFrame.Continuation));
        Assert.Equal("later", await peer.ReadTextAsync());
        Assert.Equal("later still", await peer.ReadTextAsync());
        await sending.Soon();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Who_waits_behind_an_open_message_learns_of_the_end_though_nobody_disposes_of_that(bool lost)
    {
        await using RawPeer peer = RawPeer.Start();
        Stream open = peer.Connection.OpenWrite(MessageType.Text);
        await open.WriteAsync("a"u8.ToArray(), Token);
        await open.FlushAsync(Token);
        Assert.Equal("a", await peer.ReadTextAsync());
        Stream second = peer.Connection.OpenWrite(MessageType.Text);
        await second.WriteAsync("b"u8.ToArray(), Token);
        Task[] waiting = [peer.Connection.SendAsync("c", Token).AsTask(), second.FlushAsync(Token), peer.Connection.SendAsync("d", Token).AsTask()];
        if (lost)
        {
            peer.Connection.Abort();
        }
        else
        {
            // The peer has not answered yet: that nothing more can be sent is known before.
            peer.Connection.BeginClose(1000, "", CloseCause.LocalClose);
        }

        foreach (Task one in waiting)
        {
            Assert.True((await Assert.ThrowsAsync<ConnectionClosedException>(one.Soon)).IsUnsent);
        }

        await Assert.ThrowsAsync<ConnectionClosedException>(() => second.DisposeAsync().AsTask());
        await Assert.ThrowsAsync<ConnectionClosedException>(() => open.DisposeAsync().AsTask());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_second_of_two_messages_that_were_first_written_to_after_the_end_waited_for_ever(bool lost)
    {
        await using RawPeer peer = RawPeer.Start();
        Stream[] streams = [peer.Connection.OpenWrite(MessageType.Text), peer.Connection.OpenWrite(MessageType.Text)];
        if (lost)
        {
            peer.Connection.Abort();
        }
        else
        {
            peer.Connection.BeginClose(1000, "", CloseCause.LocalClose);
        }

        foreach (Stream stream in streams)
        {
            await stream.WriteAsync("a"u8.ToArray(), Token);
            Assert.True((await Assert.ThrowsAsync<ConnectionClosedException>(() => stream.FlushAsync(Token).Soon())).IsUnsent);
        }

        foreach (Stream stream in streams)
        {
            await Assert.ThrowsAsync<ConnectionClosedException>(() => stream.DisposeAsync().AsTask());
        }
    }

    [Fact]
    public async Task A_character_may_span_two_writes()
    {
        await using RawPeer peer = RawPeer.Start();
        await using (Stream stream = peer.Connection.OpenWrite(MessageType.Text))
        {
            await stream.WriteAsync(new byte[] { 0xE2, 0x82 }, Token);
            await stream.WriteAsync(new byte[] { 0xAC }, Token);
        }

        Assert.Equal("€", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Invalid_text_of_which_nothing_left_is_withdrawn()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Text);
        await stream.WriteAsync("good"u8.ToArray(), Token);
        await Assert.ThrowsAsync<ArgumentException>(() => stream.WriteAsync(new byte[] { 0xFF }, Token).AsTask());
        await stream.DisposeAsync();
        peer.Connection.Send("next");
        Assert.Equal("next", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Invalid_text_that_has_begun_to_leave_closes_the_connection()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Text);
        await stream.WriteAsync("good"u8.ToArray(), Token);
        await stream.FlushAsync(Token);
        await Assert.ThrowsAsync<ArgumentException>(() => stream.WriteAsync(new byte[] { 0xFF }, Token).AsTask());
        Assert.Equal("good", await peer.ReadTextAsync());
        Assert.Equal(1011, (await peer.ReadCloseAsync()).Code);
    }

    [Fact]
    public async Task A_message_whose_write_was_cancelled_never_passes_for_a_whole_one()
    {
        await using RawPeer peer = RawPeer.Start(takes: 1000);
        Stream stream = peer.Connection.OpenWrite(MessageType.Binary);
        using var cancelled = new CancellationTokenSource();
        Task write = stream.WriteAsync(new byte[100_000], cancelled.Token).AsTask();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => write);
        await Assert.ThrowsAsync<InvalidOperationException>(() => stream.WriteAsync(new byte[1], Token).AsTask());
        await stream.DisposeAsync();

        WireFrame? frame;
        while ((frame = await peer.ReadAsync())!.Opcode != WireFrame.Close)
        {
            Assert.False(frame.Fin);
        }

        Assert.Equal([0x03, 0xF3], frame.Payload[..2]);
    }

    [Fact]
    public async Task Text_that_ends_within_a_character_is_refused()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Text);
        await stream.WriteAsync(new byte[] { 0xE2 }, Token);
        await Assert.ThrowsAsync<InvalidOperationException>(() => stream.DisposeAsync().AsTask());
        await stream.DisposeAsync();
        peer.Connection.Send("next");
        Assert.Equal("next", await peer.ReadTextAsync());
    }

    [Fact]
    public async Task Closing_within_a_message_drops_what_waits_behind_it_and_fails_the_stream()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Text);
        await stream.WriteAsync("a"u8.ToArray(), Token);
        await stream.FlushAsync(Token);
        Assert.Equal(SendResult.Queued, peer.Connection.Send("lost"));
        Task<CloseInfo> closing = peer.Connection.CloseAsync(1000, "").AsTask();
        Assert.Equal("a", await peer.ReadTextAsync());
        Assert.Equal(1000, (await peer.ReadCloseAsync()).Code);
        Assert.Equal(1, peer.Observed.Dropped(DropReason.Unsent));
        await Assert.ThrowsAsync<ConnectionClosedException>(() => stream.DisposeAsync().AsTask());
        await peer.SendAsync(WireFrame.OfClose(1000, ""));
        Assert.True((await closing.Soon()).WasClean);
    }

    [Fact]
    public async Task Says_what_it_can_and_cannot_do()
    {
        await using RawPeer peer = RawPeer.Start();
        Stream stream = peer.Connection.OpenWrite(MessageType.Binary);
        Assert.True(stream.CanWrite && !stream.CanRead && !stream.CanSeek);
        Assert.Throws<NotSupportedException>(() => stream.Length);
        Assert.Throws<NotSupportedException>(() => stream.Position);
        Assert.Throws<NotSupportedException>(() => stream.Seek(0, SeekOrigin.Begin));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(1));
        Assert.Throws<NotSupportedException>(() => stream.ReadByte());
        await stream.DisposeAsync();
        Assert.False(stream.CanWrite);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.WriteAsync(new byte[1], Token).AsTask());
    }

    [Fact]
    public async Task A_cancelled_write_leaves_the_connection_whole()
    {
        await using RawPeer peer = RawPeer.Start(takes: 100);
        peer.Connection.Send(new byte[200], MessageType.Binary);
        Stream stream = peer.Connection.OpenWrite(MessageType.Binary);
        await stream.WriteAsync(new byte[] { 7 }, Token);
        using var cancel = new CancellationTokenSource();
        Task flushing = stream.FlushAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flushing.Soon());
        Task disposing = stream.DisposeAsync().AsTask();
        await peer.ReadAsync(WireFrame.Binary);
        Assert.Equal([7], await peer.ReadAsync(WireFrame.Binary));
        await disposing.Soon();
        await peer.Connection.SendAsync("next", Token).Soon();
        Assert.Equal("next", await peer.ReadTextAsync());
    }
}
