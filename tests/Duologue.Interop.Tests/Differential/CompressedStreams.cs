using System.IO.Compression;
using Duologue.Fuzz.Wire;

namespace Duologue.Interop.Tests.Differential;

/// <summary>
/// A stream with some of its messages compressed (RFC 7692), and beside it the same stream without: what the one must lead to, the model reads from
/// the other. Each fragment is compressed to its own end, so that both streams hold the same bytes of a message after each frame.
/// </summary>
internal static class CompressedStreams
{
    private const int Rsv1 = 4;

    /// <param name="random">Decides everything.</param>
    /// <param name="masked">Whether it goes to a server.</param>
    /// <param name="context">Whether messages refer to those before them.</param>
    /// <param name="limit">The largest message that a receiver takes: a few are as large, or too large by a byte.</param>
    public static (List<byte[]> Frames, List<byte[]> Twin) Generate(Random random, bool masked, bool context, int limit)
    {
        var frames = new List<byte[]>();
        var twin = new List<byte[]>();
        using var compressor = new Compressor();
        bool inMessage = false;
        bool compressed = false;
        foreach (Frame given in Plain(random, masked, limit))
        {
            Frame plain = given;
            Frame sent = given;
            bool data = given.Opcode is Frame.Text or Frame.Binary && !inMessage;
            if (data || (given.Opcode == Frame.Continuation && inMessage))
            {
                // One that is refused at its header has nothing behind it that counts, and its payload would only move the compressor on.
                bool honest = given.Reserved == 0 && given.ClaimedLength is null && given.Key is not null == masked;
                compressed = data ? honest && random.Next(4) != 0 : compressed;
                inMessage = !given.Fin;
                if (!compressed && !data && given.Fin && given.Payload.Length == 0)
                {
                    // Others judge a text with such an end only if it is compressed (Dialect.EmptyEndUnjudged): here all have an end that is judged.
                    plain = sent = given with { Payload = [.. "e"u8] };
                }
                else if (compressed && honest)
                {
                    plain = given with { LengthSize = null };
                    sent = plain with { Payload = compressor.Compress(given.Payload, given.Fin), Reserved = data ? Rsv1 : 0 };
                    if (given.Fin && !context)
                    {
                        compressor.Reset();
                    }
                }
            }

            frames.Add(sent.ToBytes());
            twin.Add(plain.ToBytes());
        }

        return (frames, twin);
    }

    private static IEnumerable<Frame> Plain(Random random, bool masked, int limit)
    {
        List<Frame> frames = FrameStreams.Generate(random, masked, faults: random.Next(4) != 0);
        if (random.Next(50) == 0)
        {
            byte[]? key = masked ? [1, 2, 3, 4] : null;
            frames.Insert(random.Next(frames.Count + 1), new Frame(Frame.Binary, new byte[limit + random.Next(2)]) { Key = key });
        }

        foreach (Frame frame in frames)
        {
            // A bit that means "compressed" is no fault where a message begins; a length that is too long by a little would take in what differs.
            bool begins = frame.Opcode is Frame.Text or Frame.Binary;
            yield return frame with
            {
                Reserved = begins && frame.Reserved == Rsv1 ? 0 : frame.Reserved,
                ClaimedLength = frame.ClaimedLength >= 1UL << 63 ? frame.ClaimedLength : null,
            };
        }
    }

    /// <summary>The base class library's, so that it shares nothing with the code under test.</summary>
    public sealed class Compressor : IDisposable
    {
        private readonly MemoryStream _output = new();
        private DeflateStream? _deflate;

        /// <summary>RFC 7692 §7.2.1: a message without the four bytes at its end; a fragment that others follow keeps them.</summary>
        public byte[] Compress(byte[] fragment, bool last)
        {
            _deflate ??= new DeflateStream(_output, CompressionLevel.Optimal, leaveOpen: true);
            _output.SetLength(0);
            _deflate.Write(fragment);
            _deflate.Flush();
            byte[] bytes = _output.ToArray();

            // §7.2.3.6: with nothing to compress there is still an empty block to end with.
            return !last ? bytes : bytes.Length == 0 ? [0] : bytes[..^4];
        }

        public void Reset()
        {
            _deflate?.Dispose();
            _deflate = null;
        }

        public void Dispose() => Reset();
    }
}
