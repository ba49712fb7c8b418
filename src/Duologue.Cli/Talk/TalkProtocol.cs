using System.Buffers.Binary;
using System.Text.Json;
using Microsoft.AspNetCore.WebUtilities;

namespace Duologue.Cli.Talk;

/// <summary>The two forms of the talk: events for those who ask for the subprotocol, lines for everyone else. Described in docs/talk.md.</summary>
internal static class TalkProtocol
{
    /// <summary>The subprotocol that asks for events.</summary>
    public const string Name = "duologue.talk.v1";

    private const int LengthBytes = 2;

    /// <summary>A file with its head: two bytes of the head's length (big endian), the head, the file.</summary>
    public static byte[] EncodeFile(FileSent file, ReadOnlySpan<byte> content) => Encode(JsonSerializer.SerializeToUtf8Bytes(file, TalkJson.Default.TalkEvent), content);

    /// <summary>A head in JSON with what stands behind it.</summary>
    public static byte[] Encode(byte[] head, ReadOnlySpan<byte> content)
    {
        byte[] message = new byte[LengthBytes + head.Length + content.Length];
        BinaryPrimitives.WriteUInt16BigEndian(message, (ushort)head.Length);
        head.CopyTo(message, LengthBytes);
        content.CopyTo(message.AsSpan(LengthBytes + head.Length));
        return message;
    }

    /// <summary>Takes a client's file apart; false, with the reason, if it is none.</summary>
    public static bool TryDecodeFile(ReadOnlySpan<byte> message, out FileHead head, out ReadOnlySpan<byte> content, out string error)
    {
        head = new(null, null, null);
        if (!TrySplit(message, out ReadOnlySpan<byte> json, out content) || json.Length is < 2 or > TalkLimits.FileHead)
        {
            error = $"A file begins with two bytes for the length of its head (2 to {TalkLimits.FileHead}), then the head, as docs/talk.md says; this message does not.";
            return false;
        }

        try
        {
            head = JsonSerializer.Deserialize(json, TalkJson.Default.FileHead) ?? head;
        }
        catch (JsonException e)
        {
            error = $"The head of the file is not the JSON it should be: {e.Message}";
            return false;
        }

        error = "";
        return true;
    }

    /// <summary>Parts a head from what stands behind it; false if the message is too short for it.</summary>
    public static bool TrySplit(ReadOnlySpan<byte> message, out ReadOnlySpan<byte> head, out ReadOnlySpan<byte> content)
    {
        head = content = default;
        int length = message.Length < LengthBytes ? int.MaxValue : BinaryPrimitives.ReadUInt16BigEndian(message);
        if (length > message.Length - LengthBytes)
        {
            return false;
        }

        head = message.Slice(LengthBytes, length);
        content = message[(LengthBytes + length)..];
        return true;
    }

    /// <summary>A text as a line: those after its first are set in, so that nobody can write a line that looks like another's.</summary>
    public static string ToLine(Said said) => $"{said.From.Name}: {said.Text.ReplaceLineEndings("\n").Replace("\n", "\n    ", StringComparison.Ordinal)}";

    /// <summary>What happened, as a line.</summary>
    public static string ToLine(string happening) => $"* {happening}";

    /// <summary>A value of the query with which a client came: <c>name</c> or <c>history</c>.</summary>
    public static string? FromQuery(RequestInfo? request, string key)
    {
        if (request is null)
        {
            return null;
        }

        foreach (QueryStringEnumerable.EncodedNameValuePair pair in new QueryStringEnumerable(request.QueryString))
        {
            if (pair.DecodeName().Span.Equals(key, StringComparison.OrdinalIgnoreCase))
            {
                return pair.DecodeValue().ToString();
            }
        }

        return null;
    }
}
