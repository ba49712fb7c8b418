using System.Buffers;

namespace Duologue.Protocol;

/// <summary>Encodes frames into a carrier's output: one pass that copies and, on a client, masks.</summary>
internal static class FrameWriter
{
    // Asking a pipe for more than its block size costs an array from the shared pool; below, the blocks are its own.
    private const int ChunkSize = 4096;

    /// <summary>The size on the wire.</summary>
    public static int SizeOf(int payloadLength, Role role) =>
        FrameHeader.SizeFor(payloadLength, role == Role.Client) + payloadLength;

    /// <summary>Writes one frame.</summary>
    public static void Write(IBufferWriter<byte> output, Opcode opcode, bool fin, ReadOnlySpan<byte> payload, Role role)
    {
        // RFC 6455 §5.1: a client masks every frame, a server none; §5.3: with a fresh key each.
        bool masked = role == Role.Client;
        uint key = masked ? Mask.NewKey() : 0;
        int size = FrameHeader.SizeFor(payload.Length, masked) + payload.Length;
        if (size <= ChunkSize)
        {
            Span<byte> whole = output.GetSpan(size);
            int header = FrameHeader.Write(whole, opcode, fin, payload.Length, masked, key);
            Copy(payload, whole[header..], masked, key, 0);
            output.Advance(size);
            return;
        }

        WriteInChunks(output, opcode, fin, payload, masked, key);
    }

    /// <summary>Writes what is left of a server's frame of which the first bytes have gone another way.</summary>
    public static void WriteRest(IBufferWriter<byte> output, ReadOnlySpan<byte> header, ReadOnlySpan<byte> payload, int gone)
    {
        if (gone < header.Length)
        {
            output.Write(header[gone..]);
        }

        if (gone < header.Length + payload.Length)
        {
            output.Write(payload[Math.Max(0, gone - header.Length)..]);
        }
    }

    /// <summary>A server's frame as an array of its own: encoded once, sent to many.</summary>
    public static byte[] Encode(Opcode opcode, ReadOnlySpan<byte> payload)
    {
        byte[] frame = GC.AllocateUninitializedArray<byte>(SizeOf(payload.Length, Role.Server));
        int header = FrameHeader.Write(frame, opcode, true, payload.Length, false, 0);
        payload.CopyTo(frame.AsSpan(header));
        return frame;
    }

    private static void WriteInChunks(IBufferWriter<byte> output, Opcode opcode, bool fin, ReadOnlySpan<byte> payload, bool masked, uint key)
    {
        Span<byte> span = output.GetSpan(ChunkSize);
        int used = FrameHeader.Write(span, opcode, fin, payload.Length, masked, key);
        int phase = 0;
        while (true)
        {
            int count = Math.Min(payload.Length, span.Length - used);
            phase = Copy(payload[..count], span[used..], masked, key, phase);
            output.Advance(used + count);
            payload = payload[count..];
            if (payload.IsEmpty)
            {
                return;
            }

            span = output.GetSpan(Math.Min(payload.Length, ChunkSize));
            used = 0;
        }
    }

    private static int Copy(ReadOnlySpan<byte> payload, Span<byte> destination, bool masked, uint key, int phase)
    {
        if (masked)
        {
            return Mask.Apply(payload, destination, key, phase);
        }

        payload.CopyTo(destination);
        return phase;
    }
}
