using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using HdrHistogram;

namespace Duologue.Faults;

/// <summary>One well-behaved client, on Duologue's own.</summary>
internal sealed class Member
{
    private const int Size = 64;

    private readonly Connection _connection;
    private readonly Recorder _latencies;
    private readonly Task _hearing;
    private long _said;
    private long _heard;
    private long _news;
    private long _missed;
    private long _nextNews = -1;
    private volatile CloseInfo? _ended;
    private volatile bool _leaves;

    public Member(Connection connection, Recorder latencies)
    {
        _connection = connection;
        _latencies = latencies;
        _hearing = HearAsync();
    }

    public long Said => Volatile.Read(ref _said);

    /// <summary>Up to which of its messages the echo has come.</summary>
    public long Heard => Volatile.Read(ref _heard);

    public long News => Volatile.Read(ref _news);

    /// <summary>What has been passed over: later ones have come, and these not.</summary>
    public long Missed => Volatile.Read(ref _missed);

    /// <summary>How the connection ended, if it did before the member left.</summary>
    public CloseInfo? Ended => _ended;

    /// <summary>By one thread at a time.</summary>
    /// <param name="due">When the message should be said, as a timestamp of <see cref="Stopwatch"/>.</param>
    public void Say(long due)
    {
        Span<byte> message = stackalloc byte[Size];
        message.Clear();
        BinaryPrimitives.WriteInt64LittleEndian(message, _said);
        BinaryPrimitives.WriteInt64LittleEndian(message[sizeof(long)..], due);

        // A message that could not be sent stays said: no echo will come, and it shows.
        Volatile.Write(ref _said, _said + 1);
        _connection.Send(message, MessageType.Binary);
    }

    public async Task LeaveAsync()
    {
        _leaves = true;
        await _connection.CloseAsync(1000, "");
        await _hearing;
    }

    private async Task HearAsync()
    {
        await foreach (Message message in _connection.ReadAllAsync())
        {
            if (message.Type == MessageType.Text)
            {
                HearNews(long.Parse(message.Text, CultureInfo.InvariantCulture));
            }
            else
            {
                HearEcho(message.Data.Span);
            }
        }

        CloseInfo info = await _connection.Closed;
        _ended = _leaves ? null : info;
    }

    private void HearEcho(ReadOnlySpan<byte> echo)
    {
        long number = BinaryPrimitives.ReadInt64LittleEndian(echo);
        long due = BinaryPrimitives.ReadInt64LittleEndian(echo[sizeof(long)..]);
        _latencies.RecordValue(Math.Max(1, Stopwatch.GetElapsedTime(due).Ticks));
        Volatile.Write(ref _missed, _missed + Math.Abs(number - _heard));
        Volatile.Write(ref _heard, number + 1);
    }

    private void HearNews(long number)
    {
        if (_nextNews >= 0)
        {
            Volatile.Write(ref _missed, _missed + Math.Abs(number - _nextNews));
        }

        _nextNews = number + 1;
        Volatile.Write(ref _news, _news + 1);
    }
}
