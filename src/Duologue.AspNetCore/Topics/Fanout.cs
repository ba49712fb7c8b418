using System.Buffers;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.Unicode;
using Duologue.Peer;
using Duologue.Protocol;

namespace Duologue.AspNetCore;

/// <summary>Encodes a message once, compresses it once per distinct agreement, and gives the frames to many connections.</summary>
internal static class Fanout
{
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
            WebSocketConnection.Acceptance acceptance;
            try
            {
                acceptance = connection.AcceptFrame(frame);
            }
            catch (Exception e)
            {
                // No memory for one: those before it are flushed all the same, and those behind it may have better luck.
                acceptance = Unaccepted;
                failure ??= ExceptionDispatchInfo.Capture(e);
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
                individuals[individualCount++] = new Individual(connection, acceptance, isAlike);
            }
        }

        return new(example, alike, frame.PayloadLength, individuals, individualCount, failure);
    }

    /// <summary>One of those who are to be flushed, or of whom there is more to tell than that they are one more.</summary>
    internal readonly record struct Individual(WebSocketConnection Connection, WebSocketConnection.Acceptance Acceptance, bool IsAlike);

    /// <summary>A frame that has its place on all connections, and has not left yet. By default on none.</summary>
    /// <param name="example">One of those of whom nothing is to be told but their number.</param>
    /// <param name="alike">How many of them there are.</param>
    /// <param name="payload">The message's length.</param>
    /// <param name="individuals">The others; an array of the shared pool.</param>
    /// <param name="individualCount">How many of them there are.</param>
    /// <param name="refusal">What the first threw that had no memory.</param>
    public readonly struct Accepted(WebSocketConnection? example, int alike, int payload, Individual[] individuals, int individualCount, ExceptionDispatchInfo? refusal)
    {
        private readonly Individual[]? _individuals = individuals;

        /// <summary>
        /// Sends. Once. What a listener throws, or a receiver without memory threw before, is kept for later: it must leave no connection with a frame that
        /// never leaves, as nobody else would send it.
        /// </summary>
        public void Flush(ref ExceptionDispatchInfo? failure)
        {
            failure ??= refusal;
            for (int i = 0; i < individualCount; i++)
            {
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
                return default;
            }

            if (example is not null)
            {
                try
                {
                    example.ReportAlike(alike, payload);
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }
            }

            int accepted = alike;
            int dropped = 0;
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

                dropped += acceptance.Result == SendResult.Dropped ? 1 : 0;
                accepted += acceptance.Result == SendResult.Dropped ? 0 : 1;
            }

            Array.Clear(_individuals, 0, individualCount);
            ArrayPool<Individual>.Shared.Return(_individuals);
            return new(accepted, dropped);
        }
    }
}
