using System.Runtime.InteropServices;
using Duologue.Protocol.Deflate;

namespace Duologue.Tests.Protocol.Deflate;

public sealed class ZLibTests
{
    /// <summary>The exports are no contract of .NET: this tells of a runtime that has changed them before anybody else does.</summary>
    [Theory]
    [InlineData("CompressionNative_DeflateInit2_")]
    [InlineData("CompressionNative_Deflate")]
    [InlineData("CompressionNative_DeflateEnd")]
    [InlineData("CompressionNative_InflateInit2_")]
    [InlineData("CompressionNative_InflateReset2_")]
    [InlineData("CompressionNative_Inflate")]
    [InlineData("CompressionNative_InflateEnd")]
    public void The_runtime_exports_what_is_called(string name)
    {
        string prefix = OperatingSystem.IsWindows() ? "" : "lib";
        nint library = NativeLibrary.Load($"{prefix}System.IO.Compression.Native", typeof(System.IO.Compression.DeflateStream).Assembly, null);
        Assert.True(NativeLibrary.TryGetExport(library, name, out _), $"{RuntimeInformation.FrameworkDescription} has no {name}.");
    }

    [Fact]
    public void The_probe_finds_nothing_missing()
    {
        Assert.Null(ZLib.Missing);
        Assert.True(ZLib.IsAvailable);
    }

    [Theory]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(12)]
    [InlineData(15)]
    public void A_compressor_refers_no_farther_back_than_its_window(int windowBits)
    {
        // A block of noise that comes again just outside the window cannot be referred to, one well inside it is.
        byte[] noise = Reference.Sample(new Random(1), 64, isText: false);
        byte[] gap = Reference.Sample(new Random(2), (1 << windowBits) + 64, isText: false);
        using Deflater far = Deflater.TryCreate(windowBits)!;
        Assert.True(Compress(far, [.. noise, .. gap, .. noise]).Length > gap.Length + (2 * noise.Length));
        using Deflater near = Deflater.TryCreate(windowBits)!;
        Assert.True(Compress(near, [.. noise, .. noise]).Length < (2 * noise.Length) - 16);
    }

    [Fact]
    public void A_full_flush_makes_the_next_message_refer_to_nothing_before_it()
    {
        byte[] message = Reference.Sample(new Random(3), 2000, isText: true);
        using Deflater deflater = Deflater.TryCreate(15)!;
        for (int i = 0; i < 20; i++)
        {
            byte[] alone = Compress(deflater, message);
            Assert.Equal(message, Reference.Decompress(alone.AsSpan(0, alone.Length - 4)));
        }
    }

    [Fact]
    public void Forgetting_drops_what_was_not_taken_and_the_context()
    {
        byte[] noise = Reference.Sample(new Random(4), 5000, isText: false);
        byte[] message = Reference.Sample(new Random(5), 3000, isText: true);
        using Deflater deflater = Deflater.TryCreate(15)!;
        deflater.Deflate(message, new byte[6000], ZLib.SyncFlush, out _, out _);
        deflater.Deflate(noise, new byte[100], ZLib.SyncFlush, out _, out _);
        deflater.Forget();
        byte[] output = new byte[6000];
        deflater.Deflate(message, output, ZLib.SyncFlush, out _, out int produced);
        Assert.Equal(message, Reference.Decompress(output.AsSpan(0, produced - 4)));
    }

    [Fact]
    public void A_decompressor_that_was_reset_cannot_reach_what_it_read_before()
    {
        // Else a peer could refer to the messages of another connection and have them read out to it.
        byte[] secret = Reference.Sample(new Random(6), 1000, isText: true);
        using var compressor = new Reference.Compressor();
        byte[] first = compressor.Next(secret);
        byte[] second = compressor.Next(secret);
        Assert.True(second.Length < 40, "The second refers to the first.");
        using Inflater inflater = Inflater.TryCreate(15)!;
        byte[] output = new byte[2000];
        Assert.Equal(InflateStatus.Ok, inflater.Inflate([.. first, 0, 0, 0xFF, 0xFF], output, out _, out int produced));
        Assert.Equal(secret, output[..produced]);
        inflater.Reset();
        Array.Clear(output);
        Assert.Equal(InflateStatus.Corrupt, inflater.Inflate([.. second, 0, 0, 0xFF, 0xFF], output, out _, out produced));
        Assert.DoesNotContain("name"u8.ToArray(), output.Chunk(4));
    }

    private static byte[] Compress(Deflater deflater, byte[] data)
    {
        byte[] output = new byte[(data.Length * 2) + 100];
        deflater.Deflate(data, output, ZLib.FullFlush, out int consumed, out int produced);
        Assert.Equal(data.Length, consumed);
        return output[..produced];
    }
}
