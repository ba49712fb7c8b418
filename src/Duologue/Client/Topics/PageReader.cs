using System.Buffers;

namespace Duologue.Client;

/// <summary>
/// Reads a page of the feed, or a message of <c>duologue.topics.v1</c>, piece by piece. Of one that is too large it keeps the beginning and the end, which say what it is and where to go on behind it.
/// </summary>
internal static class PageReader
{
    // In the beginning is the topic's name, of 256 characters at most, and the first item's id; in the end is where the page ends, and what was lost before it.
    private const int BeginningSize = 4096;
    private const int EndSize = 1024;
    private const int PieceSize = 16 * 1024;

    /// <summary>Reads to the end of a page; of one that is too large it gives what is known of it, as <see cref="FeedMessage.TooLarge"/>.</summary>
    /// <param name="source">The bytes.</param>
    /// <param name="most">How many of them are read as a page.</param>
    /// <param name="topic">What it is of; null if it says so itself.</param>
    /// <param name="heard">Called with every piece that comes.</param>
    /// <param name="patience">Cancelled when the time for it is over, or by <paramref name="stop"/>.</param>
    /// <param name="stop">Stops it.</param>
    /// <exception cref="System.Text.Json.JsonException">It is none.</exception>
    public static async ValueTask<FeedMessage> ReadAsync(Stream source, long most, string? topic, Action? heard, CancellationToken patience, CancellationToken stop)
    {
        ArrayBufferWriter<byte> read = await ReadUpToAsync(source, most, heard, patience).ConfigureAwait(false);
        if (read.WrittenCount <= most)
        {
            return FeedMessage.Parse(read.WrittenSpan, topic);
        }

        byte[] beginning = read.WrittenSpan[..Math.Min(BeginningSize, read.WrittenCount)].ToArray();
        byte[] end = read.WrittenSpan[^Math.Min(EndSize, read.WrittenCount)..].ToArray();
        end = await ReadEndAsync(source, end, heard, patience, stop).ConfigureAwait(false);
        return FeedMessage.OfTooLarge(beginning, end, topic);
    }

    private static async ValueTask<ArrayBufferWriter<byte>> ReadUpToAsync(Stream source, long most, Action? heard, CancellationToken patience)
    {
        var read = new ArrayBufferWriter<byte>(4096);
        int count = 1;
        while (count > 0 && read.WrittenCount <= most)
        {
            count = await source.ReadAsync(read.GetMemory(4096), patience).ConfigureAwait(false);
            read.Advance(count);
            heard?.Invoke();
        }

        return read;
    }

    // None if it does not come: the beginning is enough to go on behind the message, and whoever asked for it again would be no wiser.
    private static async ValueTask<byte[]> ReadEndAsync(Stream source, byte[] soFar, Action? heard, CancellationToken patience, CancellationToken stop)
    {
        byte[] room = new byte[EndSize + PieceSize];
        int kept = soFar.Length;
        soFar.CopyTo(room, 0);
        try
        {
            int count;
            while ((count = await source.ReadAsync(room.AsMemory(kept, PieceSize), patience).ConfigureAwait(false)) > 0)
            {
                int length = kept + count;
                kept = Math.Min(EndSize, length);
                room.AsSpan(length - kept, kept).CopyTo(room);
                heard?.Invoke();
            }

            return room[..kept];
        }
        catch (Exception e) when (e is IOException || (e is OperationCanceledException && !stop.IsCancellationRequested))
        {
            return [];
        }
    }
}
