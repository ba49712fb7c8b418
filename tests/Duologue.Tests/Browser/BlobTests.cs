using System.Text;
using Duologue.Browser;

namespace Duologue.Tests.Browser;

public sealed class BlobTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task Parts_follow_one_another()
    {
        byte[] bytes = [4, 5];
        byte[] last = [9];
        var nine = new Blob(last);
        var blob = new Blob(["aé", bytes, new ReadOnlyMemory<byte>([6, 7, 8], 1, 1), nine], "Text/Plain");
        bytes[0] = 0;

        Assert.Equal(7, blob.Size);
        Assert.Equal("text/plain", blob.Type);
        Assert.Equal(new byte[] { (byte)'a', 0xC3, 0xA9, 4, 5, 7, 9 }, await blob.BytesAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_empty_blob_has_no_bytes()
    {
        var blob = new Blob();

        Assert.Equal(0, blob.Size);
        Assert.Equal("", blob.Type);
        Assert.Empty(await blob.BytesAsync(TestContext.Current.CancellationToken));
        Assert.Equal("", await blob.Slice(3).TextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_type_with_other_than_printable_ascii_is_dropped()
    {
        Assert.Equal("", new Blob(["a"], "te\u0001xt").Type);
        Assert.Equal("", new Blob(["a"], "téxt").Type);
    }

    [Fact]
    public void The_default_part_is_refused() => Assert.Throws<ArgumentException>(() => new Blob([default(BlobPart)]));

    [Theory]
    [InlineData(0, 6, "abcdef")]
    [InlineData(1, 3, "bc")]
    [InlineData(-2, 6, "ef")]
    [InlineData(-2, -1, "e")]
    [InlineData(-100, 2, "ab")]
    [InlineData(4, 100, "ef")]
    [InlineData(4, 2, "")]
    [InlineData(100, 200, "")]
    [InlineData(2, 4, "cd")]
    public async Task A_slice_is_clamped_and_counts_negative_ends_backwards(long start, long end, string expected)
    {
        await File.WriteAllTextAsync(_path, "cd", TestContext.Current.CancellationToken);
        var blob = new Blob(["ab", Blob.FromFile(_path), "ef"], "a/b");

        Blob slice = blob.Slice(start, end);

        Assert.Equal(expected, await slice.TextAsync(TestContext.Current.CancellationToken));
        Assert.Equal(expected.Length, slice.Size);
        Assert.Equal("", slice.Type);
        Assert.Equal("c/d", blob.Slice(start, end, "C/d").Type);
    }

    [Fact]
    public async Task Text_is_decoded_without_its_byte_order_mark()
    {
        var blob = new Blob([new byte[] { 0xEF, 0xBB, 0xBF, 0x61, 0xFF }, "é", "\uD800"]);

        Assert.Equal("a\uFFFDé\uFFFD", await blob.TextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_file_is_read_when_asked_for()
    {
        await File.WriteAllTextAsync(_path, "hello file", TestContext.Current.CancellationToken);

        Blob blob = Blob.FromFile(_path, "text/plain");

        Assert.Equal(10, blob.Size);
        Assert.Equal("text/plain", blob.Type);
        Assert.Equal("hello file", await blob.TextAsync(TestContext.Current.CancellationToken));
        Assert.Equal("file", await blob.Slice(-4).TextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void A_file_that_does_not_exist_is_refused_at_once() => Assert.Throws<FileNotFoundException>(() => Blob.FromFile(_path));

    [Fact]
    public async Task A_file_that_has_changed_is_not_readable()
    {
        await File.WriteAllTextAsync(_path, "before", TestContext.Current.CancellationToken);
        Blob blob = Blob.FromFile(_path);
        await File.WriteAllTextAsync(_path, "after!", TestContext.Current.CancellationToken);
        File.SetLastWriteTimeUtc(_path, DateTime.UtcNow.AddMinutes(1));

        DomException error = await Assert.ThrowsAsync<DomException>(() => blob.TextAsync(TestContext.Current.CancellationToken));

        Assert.Equal("NotReadableError", error.Name);
        Assert.Contains(_path, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_gone_is_not_readable()
    {
        await File.WriteAllTextAsync(_path, "before", TestContext.Current.CancellationToken);
        Blob blob = Blob.FromFile(_path);
        File.Delete(_path);

        DomException error = await Assert.ThrowsAsync<DomException>(() => blob.TextAsync(TestContext.Current.CancellationToken));

        Assert.Equal("NotReadableError", error.Name);
    }

    [Fact]
    public async Task A_stream_that_is_disposed_of_early_lets_go_of_its_file()
    {
        await File.WriteAllTextAsync(_path, "hello file", TestContext.Current.CancellationToken);
        await using (Stream stream = Blob.FromFile(_path).OpenRead())
        {
            Assert.Equal('h', stream.ReadByte());
        }

        await using FileStream alone = File.Open(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        Assert.Equal(10, alone.Length);
    }

    [Fact]
    public void Each_stream_starts_at_the_beginning()
    {
        var blob = new Blob(["ab", "cd"]);
        for (int i = 0; i < 2; i++)
        {
            using Stream stream = blob.OpenRead();
            using var reader = new StreamReader(stream, Encoding.UTF8);

            Assert.Equal(4, stream.Length);
            Assert.False(stream.CanWrite);
            Assert.Equal("abcd", reader.ReadToEnd());
            Assert.Equal(4, stream.Position);
        }
    }
}
