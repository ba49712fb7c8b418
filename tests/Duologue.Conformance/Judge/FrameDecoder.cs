using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Duologue.Conformance.Judge;

/// <summary>
/// Reads what the judged peer sends and finds fault with every byte that RFC 6455 §5 does not allow. It stops at the first
/// fault, and at the peer's Close.
/// </summary>
internal sealed class FrameDecoder(bool fromClient, bool mayCompress, Transcript transcript)
{
    private static readonly UTF8Encoding Strict = new(false, true);

    private readonly byte[] _head = new byte[14];
    private int _headCount;
    private byte[] _payload = [];
    private int _payloadCount;
    private bool _inPayload;
    private int _opcode;
    private bool _fin;
    private int _rsv;

    // The message under way.
    private int _messageOpcode;
    private bool _messageCompressed;
    private ArrayBufferWriter<byte>? _message;

    /// <summary>Whether nothing of a frame is at hand: the peer's bytes end where a frame ends.</summary>
    public bool AtBoundary => _headCount == 0 && !_inPayload;

    public void Take(ReadOnlySpan<byte> input)
    {
        while (!input.IsEmpty && transcript.Fault is null)
        {
            if (transcript.Close is not null)
            {
                transcript.Fail("§5.5.1", $"{input.Length} bytes after the Close frame");
                return;
            }

            if (_inPayload)
            {
                int count = Math.Min(input.Length, _payload.Length - _payloadCount);
                input[..count].CopyTo(_payload.AsSpan(_payloadCount));
                _payloadCount += count;
                input = input[count..];
            }
            else
            {
                _head[_headCount++] = input[0];
                input = input[1..];
                JudgeHead();
            }

            if (_inPayload && _payloadCount == _payload.Length && transcript.Fault is null)
            {
                _inPayload = false;
                Finish();
            }
        }
    }

    private void JudgeHead()
    {
        if (_headCount == 1)
        {
            _fin = (_head[0] & 0x80) != 0;
            _rsv = (_head[0] >> 4) & 7;
            _opcode = _head[0] & 15;
            JudgeFirst();
            return;
        }

        bool masked = (_head[1] & 0x80) != 0;
        int size = (_head[1] & 0x7F) switch { 126 => 4, 127 => 10, _ => 2 } + (masked ? 4 : 0);
        if (_headCount == 2 && masked != fromClient)
        {
            transcript.Fail("§5.1", masked ? "a masked frame from a server" : "an unmasked frame from a client");
            return;
        }

        if (_headCount == 2 && _opcode >= 8 && (_head[1] & 0x7F) > 125)
        {
            transcript.Fail("§5.5", "a control frame of more than 125 bytes");
            return;
        }

        if (_headCount < size)
        {
            return;
        }

        ulong length = (_head[1] & 0x7F) switch
        {
            126 => BinaryPrimitives.ReadUInt16BigEndian(_head.AsSpan(2)),
            127 => BinaryPrimitives.ReadUInt64BigEndian(_head.AsSpan(2)),
            var small => (ulong)small,
        };
        bool minimal = (_head[1] & 0x7F) switch { 126 => length > 125, 127 => length > ushort.MaxValue, _ => true };
        if (!minimal || length > int.MaxValue)
        {
            transcript.Fail("§5.2", $"a length of {length} in {size} bytes of header");
            return;
        }

        if (masked)
        {
            transcript.MaskKeys.Add(BinaryPrimitives.ReadUInt32BigEndian(_head.AsSpan(size - 4)));
        }

        _payload = new byte[length];
        _payloadCount = 0;
        _inPayload = true;
        _headCount = 0;
    }

    private void JudgeFirst()
    {
        bool control = _opcode >= 8;
        if (_opcode is > 2 and < 8 or > 10)
        {
            transcript.Fail("§5.2", $"the reserved opcode {_opcode}");
        }
        else if (_rsv != 0 && !(_rsv == 4 && mayCompress && _opcode is 1 or 2))
        {
            transcript.Fail("§5.2", $"reserved bits {_rsv} on opcode {_opcode}");
        }
        else if (control && !_fin)
        {
            transcript.Fail("§5.5", "a fragmented control frame");
        }
        else if (_opcode == 0 && _message is null)
        {
            transcript.Fail("§5.4", "a continuation without a message");
        }
        else if (_opcode is 1 or 2 && _message is not null)
        {
            transcript.Fail("§5.4", "a new message inside a fragmented one");
        }
    }

    private void Finish()
    {
        if (fromClient)
        {
            Span<byte> key = stackalloc byte[4];
            BinaryPrimitives.WriteUInt32BigEndian(key, transcript.MaskKeys[^1]);
            for (int i = 0; i < _payload.Length; i++)
            {
                _payload[i] ^= key[i & 3];
            }
        }

        switch (_opcode)
        {
            case 8:
                FinishClose();
                break;
            case 9:
                transcript.AddPing(_payload);
                break;
            case 10:
                transcript.AddPong(_payload);
                break;
            default:
                FinishData();
                break;
        }
    }

    private void FinishData()
    {
        if (_opcode != 0)
        {
            _messageOpcode = _opcode;
            _messageCompressed = _rsv == 4;
            if (_fin)
            {
                Deliver(_payload);
                return;
            }

            _message = new ArrayBufferWriter<byte>();
        }

        _message!.Write(_payload.AsSpan());
        if (_fin)
        {
            byte[] whole = _message!.WrittenSpan.ToArray();
            _message = null;
            Deliver(whole);
        }
    }

    private void Deliver(byte[] bytes)
    {
        if (_messageOpcode == 1 && !_messageCompressed && !IsUtf8(bytes))
        {
            transcript.Fail("§8.1", "a text that is not UTF-8");
            return;
        }

        transcript.AddMessage(new Received(_messageOpcode == 1, _messageCompressed, bytes));
    }

    private void FinishClose()
    {
        if (_payload.Length == 0)
        {
            transcript.SetClose(1005, "");
            return;
        }

        if (_payload.Length == 1)
        {
            transcript.Fail("§5.5.1", "a Close with a body of one byte");
            return;
        }

        int code = BinaryPrimitives.ReadUInt16BigEndian(_payload);
        if (code is < 1000 or 1004 or 1005 or 1006 or (> 1014 and < 3000) or > 4999 || (code == 1010 && !fromClient))
        {
            transcript.Fail("§7.4", $"the close code {code}, which must not be sent");
            return;
        }

        if (!IsUtf8(_payload.AsSpan(2)))
        {
            transcript.Fail("§5.5.1", "a close reason that is not UTF-8");
            return;
        }

        transcript.SetClose(code, Strict.GetString(_payload.AsSpan(2)));
    }

    private static bool IsUtf8(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _ = Strict.GetCharCount(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }
}
