using System.Buffers;
using System.IO.Pipelines;
using System.Text;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Duologue.Tests.Protocol;

namespace Duologue.Tests.Peer;

/// <summary>
/// A connection under test on one side of two pipes, and on the other side a peer that writes and reads frames by hand,
/// and so may do what no well-behaved peer does.
/// </summary>
internal sealed class RawPeer : IAsyncDisposable
{
    private readonly Pipe _toConnection = new(new PipeOptions(pauseWriterThreshold: 0));
    private readonly Pipe _toPeer;
    private readonly Role _role;
    private readonly bool _compresses;

    private RawPeer(ConnectionSetup setup, int takes)
    {
        _role = setup.Role;
        _compresses = setup.Deflate is not null;

        // The connection's flush is pending while more than this lies unread.
        _toPeer = new Pipe(takes == 0
            ? new PipeOptions(pauseWriterThreshold: 0)
            : new PipeOptions(pauseWriterThreshold: takes, resumeWriterThreshold: 1));
        Connection = new WebSocketConnection(setup);
        Running = RunAsync();
    }

    public WebSocketConnection Connection { get; }

    /// <summary>Completes when the carrier has let go of the connection.</summary>
    public Task Running { get; }

    public Observed Observed { get; private init; } = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    /// <param name="options">The connection's options.</param>
    /// <param name="role">The connection's role; the raw peer takes the other.</param>
    /// <param name="handler">Receives by push, if given.</param>
    /// <param name="takes">How many bytes the connection may send ahead of the peer's reading; 0 for any.</param>
    /// <param name="deflate">What is agreed about compression.</param>
    public static RawPeer Start(ConnectionOptions? options = null, Role role = Role.Server, IMessageHandler? handler = null, int takes = 0, DeflateAgreement? deflate = null)
    {
        var observed = new Observed();
        var setup = new ConnectionSetup { Role = role, Options = options ?? new ConnectionOptions(), Handler = handler, Observer = observed, Deflate = deflate };
        return new RawPeer(setup, takes) { Observed = observed };
    }

    public async Task SendAsync(params WireFrame[] frames)
    {
        foreach (WireFrame frame in frames)
        {
            byte[] bytes = (frame.Key is null ? frame.For(_role) : frame).ToBytes();
            _toConnection.Writer.Write(bytes);
        }

        await _toConnection.Writer.FlushAsync(Token);
    }

    public async Task SendBytesAsync(ReadOnlyMemory<byte> bytes) => await _toConnection.Writer.WriteAsync(bytes, Token);

    /// <summary>Ends the direction to the connection, as a FIN does.</summary>
    public async Task EndAsync() => await _toConnection.Writer.CompleteAsync();

    /// <summary>Takes no more bytes: every further flush of the connection fails.</summary>
    public async Task RefuseAsync() => await _toPeer.Reader.CompleteAsync();

    /// <summary>The next frame from the connection, unmasked; null at the end of the stream.</summary>
    public async Task<WireFrame?> ReadAsync()
    {
        while (true)
        {
            ReadResult result = await _toPeer.Reader.ReadAsync(Token).AsTask().Soon();
            if (TryParse(result.Buffer, out WireFrame? frame, out SequencePosition end))
            {
                Assert.Equal(_role == Role.Client, frame!.Key is not null);
                _toPeer.Reader.AdvanceTo(end);
                return frame with { Key = null };
            }

            _toPeer.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted)
            {
                Assert.True(result.Buffer.IsEmpty, "The stream ends within a frame.");
                return null;
            }
        }
    }

    /// <summary>The next frame, which must be of this kind.</summary>
    public async Task<byte[]> ReadAsync(int opcode)
    {
        WireFrame? frame = await ReadAsync();
        Assert.NotNull(frame);
        Assert.Equal(opcode, frame.Opcode);
        return frame.Payload;
    }

    /// <summary>The next frame, which must be a text.</summary>
    public async Task<string> ReadTextAsync() => Encoding.UTF8.GetString(await ReadAsync(WireFrame.Text));

    /// <summary>The next frame, which must be a Close.</summary>
    public async Task<(int Code, string Reason)> ReadCloseAsync()
    {
        byte[] body = await ReadAsync(WireFrame.Close);
        return body.Length == 0 ? (1005, "") : ((body[0] << 8) | body[1], Encoding.UTF8.GetString(body.AsSpan(2)));
    }

    /// <summary>The next message, put together from its fragments; pings in between are passed over.</summary>
    public async Task<(byte[] Data, int Fragments)> ReadMessageAsync()
    {
        var data = new List<byte>();
        for (int fragments = 1; ;)
        {
            WireFrame? frame = await ReadAsync();
            Assert.NotNull(frame);
            if (frame.Opcode is WireFrame.Ping or WireFrame.Pong)
            {
                continue;
            }

            Assert.True(frame.Opcode == WireFrame.Continuation == fragments > 1, $"opcode {frame.Opcode} as fragment {fragments}");
            data.AddRange(frame.Payload);
            if (frame.Fin)
            {
                return ([.. data], fragments);
            }

            fragments++;
        }
    }

    public async ValueTask DisposeAsync()
    {
        Connection.Abort();
        await _toConnection.Writer.CompleteAsync();
        await Running.Soon();
        await _toPeer.Reader.CompleteAsync();
    }

    private async Task RunAsync()
    {
        await new PipeCarrier(_toConnection.Reader, _toPeer.Writer, Connection, null).RunAsync();
        await _toConnection.Reader.CompleteAsync();
        await _toPeer.Writer.CompleteAsync();
    }

    private bool TryParse(in ReadOnlySequence<byte> buffer, out WireFrame? frame, out SequencePosition end)
    {
        frame = null;
        end = default;
        byte[] bytes = buffer.ToArray();
        if (bytes.Length < 2)
        {
            return false;
        }

        int size = (bytes[1] & 0x7F) switch { 126 => 2, 127 => 8, _ => 0 };
        bool masked = (bytes[1] & 0x80) != 0;
        int header = 2 + size + (masked ? 4 : 0);
        if (bytes.Length < header)
        {
            return false;
        }

        long length = size == 0 ? bytes[1] & 0x7F : 0;
        for (int i = 0; i < size; i++)
        {
            length = (length << 8) | bytes[2 + i];
        }

        if (bytes.Length < header + length)
        {
            return false;
        }

        byte[] key = masked ? bytes[(header - 4)..header] : [0, 0, 0, 0];
        byte[] payload = bytes[header..(header + (int)length)];
        for (int i = 0; i < payload.Length; i++)
        {
            payload[i] ^= key[i % 4];
        }

        frame = new WireFrame(bytes[0] & 0x0F, payload) { Fin = (bytes[0] & 0x80) != 0, Key = masked ? key : null, Reserved = (bytes[0] & 0x70) >> 4 };
        Assert.True(frame.Reserved == 0 || (_compresses && frame.Reserved == 4), $"The reserved bits are {frame.Reserved}.");
        end = buffer.GetPosition(header + length);
        return true;
    }
}
