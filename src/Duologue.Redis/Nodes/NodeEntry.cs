using System.Buffers.Text;
using System.Security.Cryptography;

namespace Duologue.Redis;

/// <summary>A node as the registry has it. The record is three words: whether it stays or leaves, its address or a hyphen, its secret.</summary>
/// <param name="Name">What the ids of its sessions begin with.</param>
/// <param name="Incarnation">Which start of it this is.</param>
/// <param name="Address">Where other nodes reach it; null if it takes no forwards.</param>
/// <param name="Secret">By which a node that forwards to it vouches for what it says of the client.</param>
/// <param name="IsLeaving">It is stopping: it finishes what it has.</param>
internal sealed record NodeEntry(string Name, string Incarnation, Uri? Address, string Secret, bool IsLeaving)
{
    private const int SecretBytes = 32;
    private const string Stays = "up";
    private const string Leaves = "leaving";
    private const string NoAddress = "-";

    public string ToRecord() => $"{(IsLeaving ? Leaves : Stays)} {Address?.AbsoluteUri ?? NoAddress} {Secret}";

    public static string NewSecret() => Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(SecretBytes));

    /// <summary>Whether others can be told to send requests there.</summary>
    public static bool IsAddress(Uri address) =>
        address is { IsAbsoluteUri: true, Query: "", Fragment: "", UserInfo: "" } && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps);

    /// <summary>Reads what the registry has of a node: its expiry, its incarnation and its record. Null if it is of no kind that this version knows.</summary>
    public static NodeEntry? TryRead(string field, string value)
    {
        string[] words = value.Split(' ');
        if (field is not ['=', .. { Length: > 0 } name] || words.Length < 5 || words[2] is not (Stays or Leaves))
        {
            return null;
        }

        Uri? address = Uri.TryCreate(words[3], UriKind.Absolute, out Uri? found) && IsAddress(found) ? found : null;
        return new NodeEntry(name, words[1], address, words[4], words[2] == Leaves);
    }
}
