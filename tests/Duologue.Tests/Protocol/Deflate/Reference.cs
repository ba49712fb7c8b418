using System.IO.Compression;
using System.Text;
using Duologue.Protocol.Deflate;

namespace Duologue.Tests.Protocol.Deflate;

/// <summary>RFC 7692 §7.2 by the public classes of System.IO.Compression: a peer that shares no code with ours.</summary>
internal static class Reference
{
    private static readonly byte[] Tail = [0, 0, 0xFF, 0xFF];

    /// <summary>An agreement, both directions alike.</summary>
    public static DeflateAgreement Agreement(bool context, int windowBits = 15, int threshold = 0) => new()
    {
        SendsWithContext = context,
        ReceivesWithContext = context,
        SendWindowBits = windowBits,
        ReceiveWindowBits = Math.Max(9, windowBits),
        Threshold = threshold,
    };

    /// <summary>Compresses one message by itself.</summary>
    public static byte[] Compress(ReadOnlySpan<byte> data)
    {
        using var compressor = new Compressor();
        return compressor.Next(data);
    }

    /// <summary>Decompresses one message by itself.</summary>
    public static byte[] Decompress(ReadOnlySpan<byte> payload) => new Decompressor().Next(payload);

    /// <summary>Text of words that repeat, as JSON does; or bytes that nothing compresses.</summary>
    public static byte[] Sample(Random random, int length, bool isText)
    {
        if (!isText)
        {
            byte[] noise = new byte[length];
            random.NextBytes(noise);
            return noise;
        }

        var text = new StringBuilder(length + 40);
        while (text.Length < length)
        {
            text.Append("{\"id\":").Append(random.Next(1000)).Append(",\"name\":\"user").Append(random.Next(30)).Append("\"},");
        }

        return Encoding.UTF8.GetBytes(text.ToString(0, length));
    }

    /// <summary>A compressor that refers to its earlier messages.</summary>
    public sealed class Compressor : IDisposable
    {
        private readonly MemoryStream _output = new();
        private readonly DeflateStream _deflate;

        public Compressor() => _deflate = new DeflateStream(_output, CompressionLevel.Optimal, leaveOpen: true);

        public byte[] Next(ReadOnlySpan<byte> data, bool isLast = true)
        {
            _output.SetLength(0);
            _deflate.Write(data);
            _deflate.Flush();
            byte[] made = _output.ToArray();
            if (!isLast)
            {
                return made;
            }

            // A flush with nothing new writes nothing.
            return made.Length == 0 ? [0] : [.. made.AsSpan(0, made.Length - Tail.Length)];
        }

        public void Dispose()
        {
            _deflate.Dispose();
            _output.Dispose();
        }
    }

    /// <summary>Decompresses all messages from the first on, each time: slow, and free of any state that could be wrong.</summary>
    public sealed class Decompressor
    {
        private readonly List<byte> _all = [];
        private int _known;

        public byte[] Next(ReadOnlySpan<byte> payload)
        {
            _all.AddRange(payload);
            _all.AddRange(Tail);
            using var inflate = new DeflateStream(new MemoryStream([.. _all]), System.IO.Compression.CompressionMode.Decompress);
            using var output = new MemoryStream();
            inflate.CopyTo(output);
            byte[] made = output.ToArray()[_known..];
            _known = (int)output.Length;
            return made;
        }
    }
}
