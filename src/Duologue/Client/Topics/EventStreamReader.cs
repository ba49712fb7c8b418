using System.Buffers;
using System.Text;

namespace Duologue.Client;

/// <summary>One event of a stream.</summary>
/// <param name="Type">Its name; "message" if it has none.</param>
/// <param name="Id">The id that stands in it; null if none does.</param>
/// <param name="Data">Its data; null for an event without: browsers give none to the page, but keep its id.</param>
internal readonly record struct ServerSentEvent(string Type, string? Id, byte[]? Data);

/// <summary>
/// Reads server-sent events. An event that is cut off in the middle is none. Each byte is looked at once, however small the pieces are in which it comes. Source: WHATWG HTML §9.2.6.
/// </summary>
/// <param name="stream">The answer.</param>
/// <param name="maxSize">The longest line, and the most data of one event, in bytes.</param>
internal sealed class EventStreamReader(Stream stream, long maxSize)
{
    // A line that is longer has its buffer while it lasts.
    private const int BufferSize = 4096;

    private readonly ArrayBufferWriter<byte> _data = new(256);
    private byte[] _buffer = new byte[BufferSize];

    // Where in the buffer the next line begins, up to where it was looked for its end, and where what was received ends.
    private int _start;
    private int _scanned;
    private int _end;
    private string _type = "";
    private string? _id;
    private bool _hasData;

    /// <summary>Called with every piece that comes, comments too.</summary>
    public Action? Heard { get; init; }

    /// <summary>The next event; null at the end of the stream.</summary>
    /// <exception cref="InvalidDataException">A line, or an event, is longer than may be.</exception>
    public async ValueTask<ServerSentEvent?> ReadAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            while (TryReadLine(out int start, out int length))
            {
                if (length == 0 && TryDispatch(out ServerSentEvent e))
                {
                    return e;
                }

                Take(_buffer.AsSpan(start, length));
            }

            if (_end - _start > Math.Min(maxSize, Array.MaxLength / 2))
            {
                throw new InvalidDataException($"A line of the stream is longer than {maxSize} bytes.");
            }

            MakeRoom();
            int read = await stream.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return null;
            }

            _end += read;
            Heard?.Invoke();
        }
    }

    // Lines end with LF here, or CR LF; the lone CR that the standard allows, too, no server of topics sends.
    private bool TryReadLine(out int start, out int length)
    {
        start = _start;
        int end = _buffer.AsSpan(_scanned, _end - _scanned).IndexOf((byte)'\n');
        if (end < 0)
        {
            _scanned = _end;
            length = 0;
            return false;
        }

        length = _scanned + end - start;
        _start = _scanned += end + 1;
        if (length > 0 && _buffer[start + length - 1] == (byte)'\r')
        {
            length--;
        }

        return true;
    }

    private void MakeRoom()
    {
        int length = _end - _start;
        if (length > 0 && _end < _buffer.Length)
        {
            return;
        }

        // Moved only where half of the buffer has come since the last time, or it doubles.
        byte[] room = length > _buffer.Length / 2 ? new byte[(int)Math.Min(_buffer.Length * 2L, Array.MaxLength)]
            : length == 0 && _buffer.Length > BufferSize ? new byte[BufferSize]
            : _buffer;
        _buffer.AsSpan(_start, length).CopyTo(room);
        (_buffer, _start, _scanned, _end) = (room, 0, length, length);
    }

    private bool TryDispatch(out ServerSentEvent e)
    {
        e = new ServerSentEvent(_type.Length == 0 ? "message" : _type, _id, _hasData ? _data.WrittenSpan.ToArray() : null);
        bool isEvent = _hasData || _id is not null;
        _data.Clear();
        (_type, _id, _hasData) = ("", null, false);
        return isEvent;
    }

    private void Take(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty || line[0] == (byte)':')
        {
            return;
        }

        int colon = line.IndexOf((byte)':');
        ReadOnlySpan<byte> name = colon < 0 ? line : line[..colon];
        ReadOnlySpan<byte> value = colon < 0 ? default : line[(colon + 1)..];
        value = value is [(byte)' ', ..] ? value[1..] : value;
        switch (Encoding.UTF8.GetString(name))
        {
            case "event":
                _type = Encoding.UTF8.GetString(value);
                break;
            case "id":
                _id = Encoding.UTF8.GetString(value);
                break;
            case "data":
                if (_hasData)
                {
                    _data.Write("\n"u8);
                }

                if (_data.WrittenCount + value.Length > maxSize)
                {
                    throw new InvalidDataException($"An event of the stream has more than {maxSize} bytes.");
                }

                _hasData = true;
                _data.Write(value);
                break;
        }
    }
}
