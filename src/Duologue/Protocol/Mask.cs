using System.Buffers.Binary;
using System.Diagnostics;
using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Security.Cryptography;

namespace Duologue.Protocol;

/// <summary>Masking (RFC 6455 §5.3): XOR with a four-byte key, whose phase is carried from chunk to chunk.</summary>
internal static class Mask
{
    private const int KeyBatch = 128;

    [ThreadStatic]
    private static uint[]? _keys;

    [ThreadStatic]
    private static int _keysLeft;

    /// <summary>
    /// A key that a peer cannot foresee (RFC 6455 §10.3), from the system's cryptographic source, drawn in batches:
    /// one call into it costs as much as masking a kilobyte.
    /// </summary>
    public static uint NewKey()
    {
        if (_keysLeft == 0)
        {
            _keys ??= new uint[KeyBatch];
            RandomNumberGenerator.Fill(MemoryMarshal.AsBytes(_keys.AsSpan()));
            _keysLeft = KeyBatch;
        }

        return _keys![--_keysLeft];
    }

    /// <summary>Masks or unmasks <paramref name="data"/> in place. Returns the phase for the next chunk.</summary>
    public static int Apply(Span<byte> data, uint key, int phase) => Apply(data, data, key, phase);

    /// <summary>
    /// Masks or unmasks from <paramref name="source"/> into <paramref name="destination"/>, which may be the same memory
    /// but must not overlap otherwise: unmasking while copying costs no more than copying.
    /// </summary>
    /// <param name="source">The bytes as they are.</param>
    /// <param name="destination">At least as long as <paramref name="source"/>.</param>
    /// <param name="key">The key, first byte lowest.</param>
    /// <param name="phase">How many bytes of the frame came before, modulo 4.</param>
    /// <returns>The phase for the next chunk.</returns>
    public static int Apply(ReadOnlySpan<byte> source, Span<byte> destination, uint key, int phase)
    {
        int length = source.Length;
        // Every store below is inside destination[..length]: checked here once for all.
        destination = destination[..length];
        uint turned = BitOperations.RotateRight(key, 8 * phase);
        ref byte from = ref MemoryMarshal.GetReference(source);
        ref byte to = ref MemoryMarshal.GetReference(destination);
        int i = 0;

        if (Vector512.IsHardwareAccelerated && length >= Vector512<byte>.Count)
        {
            Vector512<byte> wide = Vector512.Create(turned).AsByte();
            for (; i <= length - Vector512<byte>.Count; i += Vector512<byte>.Count)
            {
                (Vector512.LoadUnsafe(ref from, (nuint)i) ^ wide).StoreUnsafe(ref to, (nuint)i);
            }
        }

        if (Vector256.IsHardwareAccelerated && length - i >= Vector256<byte>.Count)
        {
            Vector256<byte> wide = Vector256.Create(turned).AsByte();
            for (; i <= length - Vector256<byte>.Count; i += Vector256<byte>.Count)
            {
                (Vector256.LoadUnsafe(ref from, (nuint)i) ^ wide).StoreUnsafe(ref to, (nuint)i);
            }
        }

        if (Vector128.IsHardwareAccelerated && length - i >= Vector128<byte>.Count)
        {
            Vector128<byte> wide = Vector128.Create(turned).AsByte();
            for (; i <= length - Vector128<byte>.Count; i += Vector128<byte>.Count)
            {
                (Vector128.LoadUnsafe(ref from, (nuint)i) ^ wide).StoreUnsafe(ref to, (nuint)i);
            }
        }

        Debug.Assert(i <= length && length <= destination.Length, "No vector reached beyond the end.");

        for (; i <= length - sizeof(uint); i += sizeof(uint))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination[i..], BinaryPrimitives.ReadUInt32LittleEndian(source[i..]) ^ turned);
        }

        // All steps above are multiples of four, so the rest starts at phase 0 of the turned key.
        for (; i < length; i++)
        {
            destination[i] = (byte)(source[i] ^ (byte)turned);
            turned = BitOperations.RotateRight(turned, 8);
        }

        return (phase + length) & 3;
    }
}
