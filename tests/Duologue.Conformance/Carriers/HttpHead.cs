using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Duologue.Conformance.Carriers;

/// <summary>The head of an HTTP/1.1 message as it came: its first line and its header lines, in order.</summary>
internal sealed record HttpHead(string FirstLine, IReadOnlyList<KeyValuePair<string, string>> Headers)
{
    private const int MaxSize = 256 * 1024;

    /// <summary>The status code of an answer.</summary>
    public int Status => int.TryParse(FirstLine.Split(' ').ElementAtOrDefault(1), NumberStyles.None, CultureInfo.InvariantCulture, out int status) ? status : 0;

    /// <summary>The target of a request.</summary>
    public string Target => FirstLine.Split(' ').ElementAtOrDefault(1) ?? "";

    /// <summary>All lines of one name, joined as RFC 9110 §5.3 has it; null if there is none.</summary>
    public string? this[string name]
    {
        get
        {
            string[] values = [.. Headers.Where(header => header.Key.Equals(name, StringComparison.OrdinalIgnoreCase)).Select(header => header.Value)];
            return values.Length == 0 ? null : string.Join(", ", values);
        }
    }

    /// <summary>Reads byte by byte, so that nothing behind the head is taken. Null if the stream ended before.</summary>
    public static async Task<HttpHead?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var bytes = new List<byte>(512);
        byte[] one = new byte[1];
        while (!EndsHead(bytes))
        {
            if (bytes.Count > MaxSize)
            {
                throw new InvalidDataException("The head does not end.");
            }

            if (await stream.ReadAsync(one, cancellationToken) == 0)
            {
                return null;
            }

            bytes.Add(one[0]);
        }

        string[] lines = Encoding.Latin1.GetString([.. bytes]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        return new HttpHead(lines[0], [.. lines.Skip(1).Select(Split)]);
    }

    /// <summary>RFC 6455 §4.2.2, item 5: the proof that the server read this key.</summary>
    public static string AcceptFor(string key) =>
        Convert.ToBase64String(Sha1(Encoding.ASCII.GetBytes(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")));

    private static KeyValuePair<string, string> Split(string line)
    {
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? new(line, "") : new(line[..colon], line[(colon + 1)..].Trim(' ', '\t'));
    }

    private static bool EndsHead(List<byte> bytes) =>
        bytes.Count >= 4 && bytes[^1] == '\n' && bytes[^2] == '\r' && bytes[^3] == '\n' && bytes[^4] == '\r';

#pragma warning disable CA5350 // RFC 6455 §4.2.2 prescribes SHA-1; it is no protection here, only a proof of having read.
    private static byte[] Sha1(byte[] bytes) => SHA1.HashData(bytes);
#pragma warning restore CA5350
}
