using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;

namespace Duologue.AspNetCore;

/// <summary>
/// The ids of sessions: the name of the node that owns the session, a dot, and 144 random bits. Whoever has an id has the session: none is logged.
/// </summary>
internal static class SessionId
{
    private const int RandomBytes = 18;
    private const int LongestNode = 64;

    private static readonly SearchValues<char> NodeCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    public static string Create(string node) => $"{node}.{NewRandom(RandomBytes)}";

    /// <summary>A name for a node that was given none.</summary>
    public static string NewNode() => NewRandom(6);

    /// <summary>The node that an id names; null if it names none.</summary>
    public static string? NodeOf(string id) => id.IndexOf('.', StringComparison.Ordinal) is var dot and > 0 && IsNode(id[..dot]) ? id[..dot] : null;

    /// <summary>Whether a name may stand before the dot: an id needs no escaping in a URL.</summary>
    public static bool IsNode(string name) => name.Length is > 0 and <= LongestNode && !name.AsSpan().ContainsAnyExcept(NodeCharacters);

    private static string NewRandom(int count)
    {
        Span<byte> bytes = stackalloc byte[RandomBytes];
        RandomNumberGenerator.Fill(bytes[..count]);
        return Base64Url.EncodeToString(bytes[..count]);
    }
}
