using System.Runtime.CompilerServices;
using Duologue.Peer;
using Duologue.Protocol.Deflate;

namespace Duologue;

// What few connections need, or all only now and then: waits, deadlines other than keep-alive's, the end. A connection at rest has
// none of it, so it is one object apart, made when the first of it is set. Whoever reads before gets what a new one would hold.
internal sealed partial class WebSocketConnection
{
    private Rarities? _rare;

    private Rarities Rare => _rare ?? Interlocked.CompareExchange(ref _rare, new Rarities(), null) ?? _rare;

    /// <summary>How many frames wait in the outbox.</summary>
    private int Waiting => _rare?.Outbox.Count ?? 0;

    /// <summary>What the messages in the inbox and the pieces that were not read weigh. Any thread.</summary>
    private long InboxBytes => _rare is { } rare ? Interlocked.Read(ref rare.InboxBytes) : 0;

    /// <summary>
    /// When a batch ended within the message under way for the first time; 0 for none. Written by the carrier's thread under
    /// Gate; cleared without it, by whoever begins a message or resumes reading.
    /// </summary>
    private long MessageSince
    {
        get => _rare is { } rare ? Volatile.Read(ref rare.MessageSince) : 0;
        set
        {
            if (RareFor(value != 0) is { } rare)
            {
                Volatile.Write(ref rare.MessageSince, value);
            }
        }
    }

    private TaskCompletionSource<CloseInfo>? ClosedSource
    {
        get => _rare is { } rare ? rare.ClosedSource : null;
        set => RareFor(value is not null)?.ClosedSource = value;
    }

    private CancellationTokenSource? AbortedSource
    {
        get => _rare is { } rare ? rare.AbortedSource : null;
        set => RareFor(value is not null)?.AbortedSource = value;
    }

    private long CloseMark
    {
        get => _rare is { } rare ? rare.CloseMark : 0;
        set => RareFor(value != 0)?.CloseMark = value;
    }

    private ushort SentCode
    {
        get => _rare is { } rare ? rare.SentCode : default;
        set => RareFor(value != 0)?.SentCode = value;
    }

    private string SentReason
    {
        get => _rare is { } rare ? rare.SentReason : "";
        set => RareFor(value.Length != 0)?.SentReason = value;
    }

    private ushort ReceivedCode
    {
        get => _rare is { } rare ? rare.ReceivedCode : default;
        set => RareFor(value != 0)?.ReceivedCode = value;
    }

    private string ReceivedReason
    {
        get => _rare is { } rare ? rare.ReceivedReason : "";
        set => RareFor(value.Length != 0)?.ReceivedReason = value;
    }

    private CloseCause? Cause
    {
        get => _rare is { } rare ? rare.Cause : null;
        set => RareFor(value is not null)?.Cause = value;
    }

    private ProtocolViolation? Violation
    {
        get => _rare is { } rare ? rare.Violation : null;
        set => RareFor(value is not null)?.Violation = value;
    }

    private CloseInfo? Ending
    {
        get => _rare is { } rare ? rare.Ending : null;
        set => RareFor(value is not null)?.Ending = value;
    }

    private long CloseDue
    {
        get => _rare is { } rare ? rare.CloseDue : 0;
        set => RareFor(value != 0)?.CloseDue = value;
    }

    private long LingerDue
    {
        get => _rare is { } rare ? rare.LingerDue : 0;
        set => RareFor(value != 0)?.LingerDue = value;
    }

    private long SendDue
    {
        get => _rare is { } rare ? rare.SendDue : 0;
        set => RareFor(value != 0)?.SendDue = value;
    }

    private long MessageDue
    {
        get => _rare is { } rare ? rare.MessageDue : 0;
        set => RareFor(value != 0)?.MessageDue = value;
    }

    private long FlushSince
    {
        get => _rare is { } rare ? rare.FlushSince : 0;
        set => RareFor(value != 0)?.FlushSince = value;
    }

    private byte[]? PendingPong
    {
        get => _rare is { } rare ? rare.PendingPong : null;
        set => RareFor(value is not null)?.PendingPong = value;
    }

    private long PendingPing
    {
        get => _rare is { } rare ? rare.PendingPing : 0;
        set => RareFor(value != 0)?.PendingPing = value;
    }

    private TaskCompletionSource? FlushedSource
    {
        get => _rare is { } rare ? rare.FlushedSource : null;
        set => RareFor(value is not null)?.FlushedSource = value;
    }

    private int Ahead
    {
        get => _rare is { } rare ? rare.Ahead : 0;
        set => RareFor(value != 0)?.Ahead = value;
    }

    private SemaphoreSlim? TurnOrNull
    {
        get => _rare is { } rare ? rare.TurnOrNull : null;
        set => RareFor(value is not null)?.TurnOrNull = value;
    }

    private int Compressing
    {
        get => _rare is { } rare ? rare.Compressing : 0;
        set => RareFor(value != 0)?.Compressing = value;
    }

    private int SmallFragments
    {
        get => _rare is { } rare ? rare.SmallFragments : 0;
        set => RareFor(value != 0)?.SmallFragments = value;
    }

    private byte[]? Lent
    {
        get => _rare is { } rare ? rare.Lent : null;
        set => RareFor(value is not null)?.Lent = value;
    }

    // To set what a new one would hold makes none.
    private Rarities? RareFor(bool needed) => needed ? Rare : _rare;

    /// <summary>All but what says otherwise is guarded by Gate. Deadlines and times are the clock's timestamps, 0 for none.</summary>
    private sealed class Rarities
    {
        public TaskCompletionSource<CloseInfo>? ClosedSource;
        public CancellationTokenSource? AbortedSource;

        // The Close that we sent or put behind the queue, and where in the output it ends.
        public ushort SentCode;
        public string SentReason = "";
        public long CloseMark;

        // The Close that the peer sent.
        public ushort ReceivedCode;
        public string ReceivedReason = "";

        public CloseCause? Cause;
        public ProtocolViolation? Violation;
        public CloseInfo? Ending;
        public long CloseDue;
        public long LingerDue;

        // How much has come since that was set.
        public long Lingered;

        // See Session: the peer's Close is not answered, and the end is a clean one.
        public bool NeedsNoAnswer;

        // Set at most once a period, not with each flush and message. When one passes, the flush or message that it was set for may be
        // long over: then it is set anew, from the beginning of the one that is under way.
        public long SendDue;
        public long MessageDue;

        // When the flush under way became pending.
        public long FlushSince;

        // See the property: not always under the lock.
        public long MessageSince;

        public byte[]? PendingPong;
        public long PendingPing;
        public TaskCompletionSource? FlushedSource;

        // The flush under way, and where _taken will be when it has ended; touched by its one runner.
        public ConfiguredValueTaskAwaitable<bool>.ConfiguredValueTaskAwaiter FlushAwaiter;
        public long FlushMark;
        public Action? OnFlushedAction;

        // Frames that wait for the carrier, and how many of them go before a SendAsync that waits, too.
        public Outbox Outbox;
        public int Ahead;

        // Whether one that there was no room for is about to close the connection.
        public bool HasOverflowed;

        // Whether the log has been told of one that was dropped. Any thread.
        public bool DropLogged;
        public SemaphoreSlim? TurnOrNull;

        // Set in the constructor where compression was agreed; its state is the output's owner's.
        public MessageDeflater? Deflater;

        // The output's owner's: what the message under way has saved so far.
        public long Saved;

        // The frame that is being compressed by the output's owner, as large as it is without.
        public int Compressing;

        // Messages that arrived while the application was busy, oldest first, and their weight, which any thread changes.
        public PooledQueue<InboxItem> Inbox;
        public long InboxBytes;

        // See Session. Any thread.
        public volatile bool HasCut;

        // The handler's call that has not completed, and the array that its message lies in: the claim's.
        public ConfiguredValueTaskAwaitable.ConfiguredValueTaskAwaiter HandlerCall;
        public byte[]? Lent;
        public Action? OnCallCompletedAction;

        // See Owing. Any thread.
        public object? Owed;

        // The carrier's thread's: see KeepAlive.
        public int SmallFragments;
    }
}
