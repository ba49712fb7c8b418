using System.Buffers;

namespace Duologue.Protocol.Handshake;

/// <summary>The <c>token</c> of HTTP headers, which subprotocols and extensions are made of.</summary>
internal static class HttpToken
{
    /// <summary>What a token is spelled in. RFC 9110 §5.6.2; the same set as RFC 2616 §2.2, which RFC 6455 cites.</summary>
    public const string Alphabet = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

    private static readonly SearchValues<char> Characters = SearchValues.Create(Alphabet);

    /// <summary>Whether the text is one token: not empty and of token characters only.</summary>
    public static bool IsValid(ReadOnlySpan<char> text) => !text.IsEmpty && !text.ContainsAnyExcept(Characters);

    /// <summary>The length of the token that the text begins with; 0 if it begins with none.</summary>
    public static int PrefixLength(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExcept(Characters);
        return end < 0 ? text.Length : end;
    }
}
