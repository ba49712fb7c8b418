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

    // Marked by a length that no message has.
    private static readonly WebSocketConnection.Acceptance Unaccepted = new(SendResult.Dropped, MustFlush: false, OwnsOutput: false, Payload: -1, Saved: 0, Dropped: 1, DropReason.Closed);

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

    public static FanoutResult Send(WebSocketConnection[] connections, BroadcastFrame frame)
    {
        Accepted accepted = Accept(connections, frame);
        ExceptionDispatchInfo? failure = null;
        accepted.Flush(ref failure);
        FanoutResult result = accepted.Report(ref failure);
        failure?.Throw();
        return result;
    }

    /// <summary>
    /// Gives the frame its place on every connection, and no more: no foreign code runs, so that a lock may be held to give all connections
    /// the same order. <see cref="Accepted.Flush"/> and <see cref="Accepted.Report"/> must follow, without the lock.
    /// </summary>
    public static Accepted Accept(WebSocketConnection[] connections, BroadcastFrame frame)
    {
        // Rented before anything is accepted: no memory for it must leave nothing behind.
        Individual[] individuals = ArrayPool<Individual>.Shared.Rent(connections.Length);
        int individualCount = 0;
        int alike = 0;
        WebSocketConnection? example = null;
        ExceptionDispatchInfo? failure = null;
        foreach (WebSocketConnection connection in connections)
        {
            WebSocketConnection.Acceptance acceptance = Accept(connection, frame, ref failure);

            // Of most there is nothing to tell but that they are one more: who walks through thousands once more finds them gone from the processor's cache.
            bool isAlike = acceptance.IsPlain && (example is null || connection.IsCountedLike(example));
            if (isAlike)
            {
                example ??= connection;
                alike++;
            }

            if (!isAlike || acceptance.MustFlush)
            {
                individuals[individualCount++] = new Individual(connection, acceptance, isAlike);
            }
        }

        return new(example, alike, [frame], individuals, individualCount, failure);
    }

    /// <summary>
    /// The same for messages one behind the other: whoever can have all of them at once, as they are, is given them in one piece, to be written in one step. Whose queue is not empty, or who compresses, takes one by one.
    /// </summary>
    public static Accepted AcceptEach(WebSocketConnection[] connections, BroadcastFrame[] frames)
    {
        // Made and rented before anything is accepted, as above.
        byte[] joined = Join(frames);
        Individual[] individuals = ArrayPool<Individual>.Shared.Rent(connections.Length * frames.Length);
        int individualCount = 0;
        int alike = 0;
        WebSocketConnection? example = null;
        ExceptionDispatchInfo? failure = null;
        foreach (WebSocketConnection connection in connections)
        {
            WebSocketConnection.Acceptance? together = example is null || connection.IsCountedLike(example) ? Accept(connection, frames, joined, ref failure) : null;
            if (together is { } acceptance)
            {
                if (acceptance.IsPlain)
                {
                    example ??= connection;
                    alike++;
                }

                if (!acceptance.IsPlain || acceptance.MustFlush)
                {
                    individuals[individualCount++] = new Individual(connection, acceptance, acceptance.IsPlain);
                }

                continue;
            }

            foreach (BroadcastFrame frame in frames)
            {
                individuals[individualCount++] = new Individual(connection, Accept(connection, frame, ref failure), IsAlike: false);
            }
        }

        return new(example, alike, frames, individuals, individualCount, failure);
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

    // No memory for one: those before it are flushed all the same, and those behind it may have better luck.
    private static WebSocketConnection.Acceptance Accept(WebSocketConnection connection, BroadcastFrame frame, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            return connection.AcceptFrame(frame);
        }
        catch (Exception e)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
            return Unaccepted;
        }
    }

    private static WebSocketConnection.Acceptance? Accept(WebSocketConnection connection, BroadcastFrame[] frames, byte[] joined, ref ExceptionDispatchInfo? failure)
    {
        try
        {
            return connection.TryAcceptFrames(frames, joined);
        }
        catch (Exception e)
        {
            failure ??= ExceptionDispatchInfo.Capture(e);
            return Unaccepted;
        }
    }

    /// <summary>One of those who are to be flushed, or of whom there is more to tell than that they are one more.</summary>
    internal readonly record struct Individual(WebSocketConnection Connection, WebSocketConnection.Acceptance Acceptance, bool IsAlike);

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

            using HeldWakes.Hold hold = HeldWakes.Begin();
            for (int i = 0; i < individualCount; i++)
            {
                if (i % WokenTogether == WokenTogether - 1)
                {
                    HeldWakes.Pay();
                }

                (WebSocketConnection connection, WebSocketConnection.Acceptance acceptance, _) = _individuals![i];
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
            foreach ((WebSocketConnection connection, WebSocketConnection.Acceptance acceptance, bool isAlike) in _individuals.AsSpan(0, individualCount))
            {
                if (isAlike)
                {
                    continue;
                }

                try
                {
                    connection.ReportAccepted(acceptance);
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }

                bool isDropped = acceptance.Result == SendResult.Dropped;
                dropped += isDropped ? 1 : 0;
                accepted += isDropped || connection == last ? 0 : 1;
                last = isDropped ? last : connection;
            }

            Array.Clear(_individuals, 0, individualCount);
            ArrayPool<Individual>.Shared.Return(_individuals);
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
