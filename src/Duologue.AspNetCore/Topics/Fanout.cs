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
        WebSocketConnection.Acceptance[] acceptances = ArrayPool<WebSocketConnection.Acceptance>.Shared.Rent(connections.Length);
        ExceptionDispatchInfo? failure = null;
        for (int i = 0; i < connections.Length; i++)
        {
            try
            {
                acceptances[i] = connections[i].AcceptFrame(frame);
            }
            catch (Exception e)
            {
                // No memory for one: those before it are flushed all the same, and those behind it may have better luck.
                acceptances[i] = Unaccepted;
                failure ??= ExceptionDispatchInfo.Capture(e);
            }
        }

        return new(connections, acceptances, failure);
    }

    /// <summary>A frame that has its place on all connections, and has not left yet. By default on none.</summary>
    public readonly struct Accepted(WebSocketConnection[] connections, WebSocketConnection.Acceptance[] acceptances, ExceptionDispatchInfo? refusal)
    {
        private readonly WebSocketConnection[]? _connections = connections;

        /// <summary>
        /// Sends. Once. What a listener throws, or a receiver without memory threw before, is kept for later: it must leave no connection with a frame that
        /// never leaves, as nobody else would send it.
        /// </summary>
        public void Flush(ref ExceptionDispatchInfo? failure)
        {
            failure ??= refusal;
            for (int i = 0; i < _connections?.Length; i++)
            {
                try
                {
                    if (acceptances[i].Payload < 0)
                    {
                        // Half a frame may stand in its output: nothing can follow that.
                        _connections[i].Abort();
                    }
                    else
                    {
                        _connections[i].FlushAccepted(acceptances[i]);
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
            if (_connections is null)
            {
                return default;
            }

            int dropped = 0;
            for (int i = 0; i < _connections.Length; i++)
            {
                try
                {
                    _connections[i].ReportAccepted(acceptances[i]);
                }
                catch (Exception e)
                {
                    failure ??= ExceptionDispatchInfo.Capture(e);
                }

                dropped += acceptances[i].Result == SendResult.Dropped ? 1 : 0;
            }

            ArrayPool<WebSocketConnection.Acceptance>.Shared.Return(acceptances);
            return new(_connections.Length - dropped, dropped);
        }
    }
}
