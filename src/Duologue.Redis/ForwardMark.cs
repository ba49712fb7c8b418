using System.Buffers.Text;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Duologue.Redis;

/// <summary>
/// What a node says of the client whose request it forwards: its address and scheme. The other believes it for a code that is made with its own secret, which only nodes read, in the registry. Made
/// for one request and one moment. A request that has a mark, a right one or not, is never forwarded again.
/// </summary>
internal static class ForwardMark
{
    public const string Header = "Duologue-Forwarded";

    private const string NoAddress = "-";

    // Clocks of nodes may differ by so much.
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    public static string Create(string secret, string target, string scheme, IPAddress? address, int port, DateTimeOffset now)
    {
        string said = string.Create(CultureInfo.InvariantCulture, $"{now.ToUnixTimeMilliseconds()} {scheme} {address?.ToString() ?? NoAddress} {port}");
        return $"{said} {Base64Url.EncodeToString(CodeOf(secret, said, target))}";
    }

    /// <summary>Reads a mark; null if it is none, is of another moment, or was not made for this node and this request.</summary>
    public static ForwardedClient? Read(string? mark, string secret, string target, DateTimeOffset now)
    {
        string[] words = mark?.Split(' ') ?? [];
        if (words.Length != 5
            || !long.TryParse(words[0], NumberStyles.None, CultureInfo.InvariantCulture, out long time)
            || Math.Abs(now.ToUnixTimeMilliseconds() - (double)time) > Tolerance.TotalMilliseconds
            || words[1] is not ("http" or "https")
            || !ushort.TryParse(words[3], NumberStyles.None, CultureInfo.InvariantCulture, out ushort port))
        {
            return null;
        }

        IPAddress? address = null;
        if (words[2] != NoAddress && !IPAddress.TryParse(words[2], out address))
        {
            return null;
        }

        byte[] code = CodeOf(secret, string.Join(' ', words[..4]), target);
        byte[] given = Encoding.ASCII.GetBytes(words[4]);
        return CryptographicOperations.FixedTimeEquals(Encoding.ASCII.GetBytes(Base64Url.EncodeToString(code)), given) ? new ForwardedClient(words[1], address, port) : null;
    }

    private static byte[] CodeOf(string secret, string said, string target) =>
        HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes($"{said}\n{target}"));
}

/// <summary>The client of a request that another node has forwarded.</summary>
internal sealed record ForwardedClient(string Scheme, IPAddress? Address, int Port);
