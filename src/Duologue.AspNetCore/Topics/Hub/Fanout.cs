using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.Unicode;
using Duologue.Carriers;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Encodes a message once, compresses it once per distinct agreement, and gives the frames to many connections.</summary>
internal static class Fanout
{
    // Of so many receivers the threads that send to them are woken once. They take longer for each than handing it over does: with more of them they would stand idle.
    private const int WokenTogether = 32;

    /// <summary>The frame of a text message; lone surrogates become U+FFFD.</summary>
    public static BroadcastFrame Encode(string text, MessageFlags flags)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new(Opcode.Text, Encoding.UTF8.GetBytes(text), flags);
    }

    /// <summary>The frame of a message.</summary>
    /// <exception cref="ArgumentException">Text that is not UTF-8.</exception>
    public static BroadcastFrame Encode(ReadOnlySpan<byte> data, MessageType type, MessageFlags flags)
    {
        switch (type)
        {
            case MessageType.Text when !Utf8.IsValid(data):
                throw new ArgumentException("The text is not valid UTF-8, which RFC 6455 §5.6 demands; send it as binary, or correct it.", nameof(data));
            case MessageType.Text:
                return new(Opcode.Text, data, flags);
            case MessageType.Binary:
                return new(Opcode.Binary, data, flags);
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "A message is text or binary.");
        }
    }

    public static FanoutResult Send(WebSocketConnection[] connections, BroadcastFrame frame) => Settle(Accept(connections, frame));

    /// <summary>Flushes and reports what has its place. Once, with no lock held.</summary>
    public static FanoutResult Settle(in Accepted accepted)
    {
        ExceptionDispatchInfo? failure = null;
        accepted.Flush(ref failure);
        FanoutResult result = accepted.Report(ref failure);
        failure?.Throw();
        return result;
    }

    /// <summary>
    /// Gives frames their place on every connection, one behind the other, and no more: no foreign code runs, so that a lock may be held to give all connections the same order. Whoever can have several at once,
    /// as they are, is given them in one piece, to be written in one step. <see cref="Accepted.Flush"/> and <see cref="Accepted.Report"/> must follow, without the lock.
    /// </summary>
    public static Accepted Accept(WebSocketConnection[] connections, params BroadcastFrame[] frames)
    {
        // Made and rented before anything is accepted: no memory for it must leave nothing behind.
        byte[] joined = frames.Length == 1 ? [] : Join(frames);
        Individual[] individuals = ArrayPool<Individual>.Shared.Rent(connections.Length);
        int individualCount = 0;
        int alike = 0;
        WebSocketConnection? example = null;
        ExceptionDispatchInfo? failure = null;
        for (int i = 0; i < connections.Length; i++)
        {
            WebSocketConnection connection = connections[i];
            if (Accept(connection, frames, joined, ref failure) is not { } acceptance)
            {
                AcceptOneByOne(connection, frames, connections.Length - i - 1, ref individuals, ref individualCount, ref failure);
                continue;
            }

            // Of most there is nothing to tell but that they are one more: who walks through thousands once more finds them gone from the processor's cache.
            bool isAlike = acceptance.IsPlain && (example is null || connection.IsCountedLike(example));
            if (isAlike)
            {
                example ??= connection;
                alike++;
            }

            if (!isAlike || acceptance.MustFlush)
            {
                individuals[individualCount++] = new Individual(connection, acceptance, isAlike, IsOfAll: acceptance.IsPlain);
            }
        }

        return new(example, alike, frames, individuals, individualCount, failure);
    }

    /// <summary>For whoever compresses, or whose queue is not empty. In the array there is room for one of each of the others yet: so much stays, and the rest is made for those who need it.</summary>
    private static void AcceptOneByOne(WebSocketConnection connection, BroadcastFrame[] frames, int others, ref Individual[] individuals, ref int count, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            if (individuals.Length - count < frames.Length + others)
            {
                Individual[] larger = ArrayPool<Individual>.Shared.Rent(Math.Max(count + frames.Length + others, 2 * individuals.Length));
                individuals.AsSpan(0, count).CopyTo(larger);
                GiveBack(individuals, count);
                individuals = larger;
            }
        }
        catch (Exception e)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
            individuals[count++] = new Individual(connection, Unaccepted(frames.Length), IsAlike: false, IsOfAll: false);
            return;
        }

        for (int i = 0; i < frames.Length; i++)
        {
            WebSocketConnection.Acceptance acceptance = Accept(connection, frames.AsSpan(i, 1), default, ref failure)!.Value;
            bool isLast = acceptance.Payload < 0;
            individuals[count++] = new Individual(connection, isLast ? Unaccepted(frames.Length - i) : acceptance, IsAlike: false, IsOfAll: false);
            if (isLast)
            {
                // What comes behind would not follow what it has.
                return;
            }
        }
    }

    private static byte[] Join(BroadcastFrame[] frames)
    {
        byte[] joined = new byte[frames.Sum(frame => frame.Plain.Length)];
        int length = 0;
        foreach (BroadcastFrame frame in frames)
        {
            frame.Plain.CopyTo(joined.AsMemory(length));
            length += frame.Plain.Length;
        }

        return joined;
    }

    // No memory for one: those before it are flushed all the same, and those behind it may have better luck. Null if it takes several one by one.
    private static WebSocketConnection.Acceptance? Accept(WebSocketConnection connection, ReadOnlySpan<BroadcastFrame> frames, ReadOnlyMemory<byte> joined, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            return frames.Length == 1 ? connection.AcceptFrame(frames[0]) : connection.TryAcceptFrames(frames, joined);
        }
        catch (Exception e)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
            return Unaccepted(frames.Length);
        }
    }

    // Marked by a length that no message has.
    private static WebSocketConnection.Acceptance Unaccepted(int count) =>
        new(SendResult.Dropped, MustFlush: false, OwnsOutput: false, Payload: -1, Saved: 0, Dropped: count, DropReason.Closed);

    private static void GiveBack(Individual[] individuals, int count)
    {
        Array.Clear(individuals, 0, count);
        ArrayPool<Individual>.Shared.Return(individuals);
    }

    /// <summary>One of those who are to be flushed, or of whom there is more to tell than that they are one more.</summary>
    /// <param name="Connection">Who it is.</param>
    /// <param name="Acceptance">What became of what it was given.</param>
    /// <param name="IsAlike">Whether it is counted with the others.</param>
    /// <param name="IsOfAll">Whether it was given all frames at once, as they are.</param>
    internal readonly record struct Individual(WebSocketConnection Connection, WebSocketConnection.Acceptance Acceptance, bool IsAlike, bool IsOfAll);

    /// <summary>Frames that have their place on all connections, and have not left yet. By default on none.</summary>
    /// <param name="example">One of those of whom nothing is to be told but their number.</param>
    /// <param name="alike">How many of them there are.</param>
    /// <param name="frames">What each of them was given.</param>
    /// <param name="individuals">The others, and those who are to be flushed; an array of the shared pool.</param>
    /// <param name="individualCount">How many there are in it.</param>
    /// <param name="refusal">What the first threw that had no memory.</param>
    public readonly struct Accepted(WebSocketConnection? example, int alike, BroadcastFrame[] frames, Individual[]? individuals, int individualCount, ExceptionDispatchInfo? refusal)
    {
        private readonly Individual[]? _individuals = individuals;
        private readonly WebSocketConnection[]? _refused;
        private readonly Exception? _why;

        /// <summary>A frame that could not be made. Those who were to have it are ended: what came next would not follow what they have.</summary>
        public Accepted(WebSocketConnection[] refused, Exception why)
            : this(null, 0, [], null, 0, null) => (_refused, _why) = (refused, why);

        /// <summary>
        /// Sends. Once. What a listener throws, or a receiver without memory threw before, is kept for later: it must leave no connection with a frame that
        /// never leaves, as nobody else would send it.
        /// </summary>
        public void Flush(ref ExceptionDispatchInfo? failure)
        {
            failure ??= refusal;
            if (_why is not null)
            {
                failure ??= ExceptionDispatchInfo.Capture(_why);
                Abort(ref failure);
            }

            if (individualCount == 0)
            {
                return;
            }

            using HeldWakes.Hold hold = HeldWakes.Begin();
            for (int i = 0; i < individualCount; i++)
            {
                if (i % WokenTogether == WokenTogether - 1)
                {
                    HeldWakes.Pay();
                }

                (WebSocketConnection connection, WebSocketConnection.Acceptance acceptance, _, _) = _individuals![i];
                try
                {
                    if (acceptance.Payload < 0)
                    {
                        // Half a frame may stand in its output: nothing can follow that.
                        connection.Abort();
                    }
                    else
                    {
                        connection.FlushAccepted(acceptance);
                    }
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }
            }
        }

        /// <summary>Counts and logs all of them, whatever a listener throws. Once, last.</summary>
        public FanoutResult Report(ref ExceptionDispatchInfo? failure)
        {
            if (_individuals is null)
            {
                return new(0, _refused?.Length ?? 0);
            }

            foreach (BroadcastFrame frame in example is null ? [] : frames)
            {
                try
                {
                    example!.ReportAlike(alike, frame.PayloadLength);
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }
            }

            // Receivers are counted, not what each of them was given.
            int accepted = alike;
            int dropped = 0;
            WebSocketConnection? last = null;
            foreach ((WebSocketConnection connection, WebSocketConnection.Acceptance acceptance, bool isAlike, bool isOfAll) in _individuals.AsSpan(0, individualCount))
            {
                if (isAlike)
                {
                    continue;
                }

                for (int i = 0; i < (isOfAll ? frames.Length : 1); i++)
                {
                    try
                    {
                        connection.ReportAccepted(isOfAll ? acceptance with { Payload = frames[i].PayloadLength } : acceptance);
                    }
                    catch (Exception e)
                    {
                        failure ??= ExceptionDispatchInfo.Capture(e);
                    }
                }

                bool isDropped = acceptance.Result == SendResult.Dropped;
                dropped += isDropped ? acceptance.Dropped : 0;
                accepted += isDropped || connection == last ? 0 : 1;
                last = isDropped ? last : connection;
            }

            GiveBack(_individuals, individualCount);
            return new(accepted, dropped);
        }

        private void Abort(ref ExceptionDispatchInfo? failure)
        {
            foreach (WebSocketConnection connection in _refused!)
            {
                try
                {
                    connection.Abort();
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }
            }
        }
    }
}
