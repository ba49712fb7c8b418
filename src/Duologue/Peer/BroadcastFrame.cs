using Duologue.Protocol;
using Duologue.Protocol.Deflate;

namespace Duologue.Peer;

/// <summary>
/// A message that a server sends to many: encoded once, and compressed once for each window that its receivers agreed to, when the first of them is
/// met. Its bytes are never written again. Not thread-safe: one thread sends it to one receiver after the other.
/// </summary>
internal sealed class BroadcastFrame
{
    private readonly Opcode _opcode;
    private readonly byte[] _plain;

    // By window bits; an empty array says that compressing is of no use.
    private byte[]?[]? _compressed;

    public BroadcastFrame(Opcode opcode, ReadOnlySpan<byte> payload, MessageFlags flags)
    {
        _opcode = opcode;
        _plain = FrameWriter.Encode(opcode, payload);
        PayloadLength = payload.Length;
        Flags = flags;
    }

    public int PayloadLength { get; }

    public MessageFlags Flags { get; }

    /// <summary>The frame as it is.</summary>
    public ReadOnlyMemory<byte> Plain => _plain;

    private ReadOnlySpan<byte> Payload => _plain.AsSpan(_plain.Length - PayloadLength);

    /// <summary>The frame compressed by itself, without a context.</summary>
    /// <param name="windowBits">How far back it may refer.</param>
    /// <param name="frame">The frame.</param>
    /// <returns>False if it is better sent as it is.</returns>
    public bool TryGetCompressed(int windowBits, out ReadOnlyMemory<byte> frame)
    {
        _compressed ??= new byte[]?[Compression.LargestWindow + 1];
        ref byte[]? made = ref _compressed[MessageDeflater.FittingWindow(PayloadLength, windowBits)];
        frame = made ??= Compress(windowBits);
        return made.Length > 0;
    }

    private byte[] Compress(int windowBits)
    {
        var frame = default(FrameBuilder);
        try
        {
            if (!MessageDeflater.TryCompressAlone(Payload, windowBits, ref frame))
            {
                return [];
            }

            frame.Seal(_opcode, fin: true, compressed: true, Role.Server);
            return frame.Bytes.ToArray();
        }
        finally
        {
            frame.Release();
        }
    }
}
