using System.Buffers.Binary;
using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Duologue.Redis;

/// <summary>
/// What a node says of the client whose request it forwards: its address and scheme. The other believes it for a code that is made with its own secret, which only nodes read, in the registry. Made
/// for one method and target and one moment by the store's clock, with a number by which the other knows it again. A request that has a mark, a right one or not, is never forwarded again.
/// </summary>
internal static class ForwardMark
{
    public const string Header = "Duologue-Forwarded";

    private const string NoAddress = "-";

    /// <summary>A mark may be so old, or so far ahead: for the way, and for what the nodes know of the store's clock.</summary>
    public static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(30);

    /// <summary>A number for a mark that nobody can guess.</summary>
    public static long NewNonce() => BinaryPrimitives.ReadInt64LittleEndian(RandomNumberGenerator.GetBytes(sizeof(long)));

    public static string Create(string secret, string method, string target, string scheme, IPAddress? address, int port, DateTimeOffset now) =>
        Create(secret, method, target, scheme, address, port, NewNonce(), now);

    public static string Create(string secret, string method, string target, string scheme, IPAddress? address, int port, long nonce, DateTimeOffset now)
    {
        string said = string.Create(CultureInfo.InvariantCulture, $"{now.ToUnixTimeMilliseconds()} {scheme} {address?.ToString() ?? NoAddress} {port} {nonce:x}");
        return $"{said} {Base64Url.EncodeToString(CodeOf(secret, said, method, target))}";
    }

    /// <summary>Reads a mark; null if it is none, is of another moment, or was not made for this node and this request. Whether it was used before is not known here.</summary>
    public static ForwardedClient? Read(string? mark, string secret, string method, string target, DateTimeOffset now)
    {
        string[] words = mark?.Split(' ') ?? [];
        if (words.Length != 6
            || !long.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out long time)
            || Math.Abs(now.ToUnixTimeMilliseconds() - (double)time) > Tolerance.TotalMilliseconds
            || words[1] is not ("http" or "https")
            || !ushort.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port)
            || !long.TryParse(words[4], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long nonce))
        {
            return null;
        }

        IPAddress? address = null;
        if (words[2] != NoAddress && !IPAddress.TryParse(words[2], out address))
        {
            return null;
        }

        byte[] code = CodeOf(secret, string.Join(' ', words[..5]), method, target);
        byte[] given = Encoding.ASCII.GetBytes(words[5]);
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Base64Url.EncodeToString(code)), given) ? new ForwardedClient(words[1], address, port, nonce) : null;
    }

    private static byte[] CodeOf(string secret, string said, string method, string target) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{said}\n{method} {target}"));
}

/// <summary>The client of a request that another node has forwarded.</summary>
internal sealed record ForwardedClient(string Scheme, IPAddress? Address, int Port, long Nonce);
