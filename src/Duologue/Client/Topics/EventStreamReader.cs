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
    private bool _hasBegun;
    private bool _isBehindReturn;
    private string _type = "";
    private string? _id;
    private bool _hasData;

    /// <summary>Called with every piece that comes, comments too.</summary>
    public Action? Heard { get; init; }

    /// <summary>The id of the event under way, which stands before its data; null if none has come. Of an event that is too large it is the place behind it.</summary>
    public string? Id => _id;

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

    // A line ends with LF, CR LF or a lone CR. One that ends with a CR is told at once, also where its LF would be in the next piece.
    private bool TryReadLine(out int start, out int length)
    {
        bool isKnown = TryPassMarks();
        start = _start;
        length = 0;
        if (!isKnown)
        {
            return false;
        }

        int end = _buffer.AsSpan(_scanned, _end - _scanned).IndexOfAny((byte)'\n', (byte)'\r');
        if (end < 0)
        {
            _scanned = _end;
            return false;
        }

        length = _scanned + end - start;
        _isBehindReturn = _buffer[start + length] == (byte)'\r';
        _start = _scanned += end + 1;
        return true;
    }

    // Passes over what stands before a line and is none of it: one BOM at the beginning of the stream, and the LF of a CR that has ended a line. False while the BOM may be still to come.
    private bool TryPassMarks()
    {
        ReadOnlySpan<byte> received = _buffer.AsSpan(_start, _end - _start);
        int length = 0;
        if (!_hasBegun)
        {
            ReadOnlySpan<byte> bom = [0xEF, 0xBB, 0xBF];
            if (received.Length < bom.Length && bom.StartsWith(received))
            {
                return false;
            }

            _hasBegun = true;
            length = received.StartsWith(bom) ? bom.Length : 0;
        }
        else if (_isBehindReturn && received.Length > 0)
        {
            _isBehindReturn = false;
            length = received[0] == (byte)'\n' ? 1 : 0;
        }

        _start += length;
        _scanned += length;
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
            case "id" when !value.Contains((byte)0):
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
