namespace Duologue.LoadGenerator;

/// <summary>Counts the messages in what a server sends, however it is cut or fragmented. Pings are answered by whoever asks for them.</summary>
internal struct FrameCounter
{
    private const int MaxControl = 125; // RFC 6455 §5.5

    private ulong _header; // the bytes of it so far, the first highest
    private int _headerLength;
    private byte _first;
    private int _lengthBytes;
    private long _payload;
    private bool _inPayload;
    private byte[]? _control;
    private int _controlLength;

    /// <summary>Answers to pings that are due, as frames; null if there are none.</summary>
    public byte[]? Pong { get; private set; }

    /// <summary>The first byte of the last data frame.</summary>
    public byte LastFirst { get; private set; }

    /// <summary>A Close has come.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Messages that were completed by these bytes.</summary>
    public int Feed(ReadOnlySpan<byte> bytes)
    {
        int messages = 0;
        while (!bytes.IsEmpty)
        {
            if (!_inPayload)
            {
                ReadHeader(bytes[0]);
                bytes = bytes[1..];
                if (!_inPayload || _payload > 0)
                {
                    continue;
                }
            }

            int taken = (int)Math.Min(_payload, bytes.Length);
            Keep(bytes[..taken]);
            _payload -= taken;
            bytes = bytes[taken..];
            if (_payload == 0)
            {
                messages += EndFrame();
            }
        }

        return messages;
    }

    public void TakePong() => Pong = null;

    private void ReadHeader(byte value)
    {
        switch (_headerLength++)
        {
            case 0:
                _first = value;
                break;
            case 1 when (value & 0x80) != 0:
                throw new LoadException("The server masked a frame.");
            case 1:
                _lengthBytes = value switch { 126 => 2, 127 => 8, _ => 0 };
                _header = 0;
                if (_lengthBytes == 0)
                {
                    Begin(value);
                }

                break;
            default:
                _header = (_header << 8) | value;
                if (_headerLength == 2 + _lengthBytes)
                {
                    Begin((long)_header);
                }

                break;
        }
    }

    private void Begin(long payload)
    {
        _payload = payload;
        _inPayload = true;
        _headerLength = 0;
        _controlLength = 0;
        IsClosed |= _first == Frames.Close;
    }

    private void Keep(ReadOnlySpan<byte> payload)
    {
        if (_first == Frames.Ping)
        {
            _control ??= new byte[MaxControl];
            payload.CopyTo(_control.AsSpan(_controlLength));
            _controlLength += payload.Length;
        }
    }

    private int EndFrame()
    {
        _inPayload = false;
        if ((_first & 0x08) == 0)
        {
            LastFirst = _first;
            return _first >> 7;
        }

        if (_first == Frames.Ping)
        {
            byte[] pong = Frames.FromClient(Frames.Pong, _control.AsSpan(0, _controlLength));
            Pong = Pong is null ? pong : [.. Pong, .. pong];
        }

        return 0;
    }
}
