using System.Diagnostics;
using System.Security.Cryptography;

namespace Duologue.Protocol.Handshake;

/// <summary>The key that a client sends, and the accept value that proves the server read it (RFC 6455 §4.1, §4.2.2).</summary>
internal static class HandshakeKey
{
    /// <summary>Characters of a key: 16 bytes in base64.</summary>
    public const int Length = 24;

    /// <summary>Characters of an accept value: a SHA-1 in base64.</summary>
    public const int AcceptLength = 28;

    private const int NonceSize = 16;

    // RFC 6455 §1.3.
    private static ReadOnlySpan<byte> Guid => "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"u8;

    /// <summary>A new key of 16 random bytes (RFC 6455 §4.1, requirement 7).</summary>
    public static string Generate()
    {
        Span<byte> nonce = stackalloc byte[NonceSize];
        RandomNumberGenerator.Fill(nonce);
        return Convert.ToBase64String(nonce);
    }

    /// <summary>Whether the text is the base64 of exactly 16 bytes (RFC 6455 §4.2.1, item 5), with nothing around it.</summary>
    public static bool IsValid(ReadOnlySpan<char> key)
    {
        // The length comes first: base64 readers skip white space.
        Span<byte> nonce = stackalloc byte[NonceSize + 2];
        return key.Length == Length
            && !key.ContainsAny(" \t\r\n")
            && Convert.TryFromBase64Chars(key, nonce, out int written)
            && written == NonceSize;
    }

    /// <summary>The accept value of a valid key (RFC 6455 §4.2.2, item 5.4).</summary>
    public static string ComputeAccept(ReadOnlySpan<char> key) => string.Create(AcceptLength, key, static (accept, key) => ComputeAccept(key, accept));

    /// <summary>Writes the accept value of a valid key into the first <see cref="AcceptLength"/> characters.</summary>
    public static void ComputeAccept(ReadOnlySpan<char> key, Span<char> accept)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, Length, nameof(key));
        ArgumentOutOfRangeException.ThrowIfLessThan(accept.Length, AcceptLength, nameof(accept));

        Span<byte> input = stackalloc byte[Length + Guid.Length];
        for (int i = 0; i < Length; i++)
        {
            // A valid key is ASCII.
            input[i] = (byte)key[i];
        }

        Guid.CopyTo(input[Length..]);
        Span<byte> hash = stackalloc byte[SHA1.HashSizeInBytes];
#pragma warning disable CA5350 // SHA-1 is what RFC 6455 §4.2.2 prescribes; nothing secret depends on it.
        SHA1.HashData(input, hash);
#pragma warning restore CA5350
        bool written = Convert.TryToBase64Chars(hash, accept, out int length);
        Debug.Assert(written && length == AcceptLength);
    }
}
