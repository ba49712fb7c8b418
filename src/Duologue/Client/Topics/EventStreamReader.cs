using System.Buffers;
using System.IO.Pipelines;
using System.Text;

namespace Duologue.Client;

/// <summary>One event of a stream.</summary>
/// <param name="Type">Its name; "message" if it has none.</param>
/// <param name="Id">The id that stands in it; null if none does.</param>
/// <param name="Data">Its data; null for an event without: browsers give none to the page, but keep its id.</param>
internal readonly record struct ServerSentEvent(string Type, string? Id, byte[]? Data);

/// <summary>Reads server-sent events. An event that is cut off in the middle is none. Source: WHATWG HTML §9.2.6.</summary>
/// <param name="stream">The answer.</param>
/// <param name="maxSize">The longest line, and the most data of one event, in bytes.</param>
internal sealed class EventStreamReader(Stream stream, long maxSize)
{
    private readonly PipeReader _reader = PipeReader.Create(stream);
    private readonly ArrayBufferWriter<byte> _data = new(256);
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
            ReadResult result = await _reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            ReadOnlySequence<byte> buffer = result.Buffer;
            while (TryReadLine(ref buffer, out ReadOnlySequence<byte> line))
            {
                if (line.IsEmpty && TryDispatch(out ServerSentEvent e))
                {
                    _reader.AdvanceTo(buffer.Start);
                    return e;
                }

                Take(line);
            }

            if (buffer.Length > maxSize)
            {
                throw new InvalidDataException($"A line of the stream is longer than {maxSize} bytes.");
            }

            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }

            Heard?.Invoke();
        }
    }

    // Lines end with LF here, or CR LF; the lone CR that the standard allows, too, no server of topics sends.
    private static bool TryReadLine(ref ReadOnlySequence<byte> buffer, out ReadOnlySequence<byte> line)
    {
        if (buffer.PositionOf((byte)'\n') is not { } end)
        {
            line = default;
            return false;
        }

        line = buffer.Slice(0, end);
        buffer = buffer.Slice(buffer.GetPosition(1, end));
        if (!line.IsEmpty && line.Slice(line.Length - 1).FirstSpan[0] == (byte)'\r')
        {
            line = line.Slice(0, line.Length - 1);
        }

        return true;
    }

    private bool TryDispatch(out ServerSentEvent e)
    {
        e = new ServerSentEvent(_type.Length == 0 ? "message" : _type, _id, _hasData ? _data.WrittenSpan.ToArray() : null);
        bool isEvent = _hasData || _id is not null;
        _data.Clear();
        (_type, _id, _hasData) = ("", null, false);
        return isEvent;
    }

    private void Take(ReadOnlySequence<byte> line)
    {
        if (line.IsEmpty || line.FirstSpan[0] == (byte)':')
        {
            return;
        }

        SequencePosition? colon = line.PositionOf((byte)':');
        string name = Encoding.UTF8.GetString(colon is { } end ? line.Slice(0, end) : line);
        ReadOnlySequence<byte> value = colon is { } at ? line.Slice(line.GetPosition(1, at)) : default;
        value = !value.IsEmpty && value.FirstSpan.Length > 0 && value.FirstSpan[0] == (byte)' ' ? value.Slice(1) : value;
        switch (name)
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
                foreach (ReadOnlyMemory<byte> piece in value)
                {
                    _data.Write(piece.Span);
                }

                break;
        }
    }
}
