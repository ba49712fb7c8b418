using Duologue.Cli.Terminal;

namespace Duologue.Cli.Tests.Terminal;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("65536", 65536)]
    [InlineData("64KiB", 65536)]
    [InlineData("64 kib", 65536)]
    [InlineData("1.5MiB", 1572864)]
    [InlineData("2MB", 2000000)]
    [InlineData("7B", 7)]
    [InlineData("2147483647", int.MaxValue)]
    public void A_size_is_read_with_and_without_a_unit(string text, int bytes)
    {
        Assert.True(ByteSize.TryParse(text, out ByteSize size));
        Assert.Equal(bytes, size.Bytes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KiB")]
    [InlineData("-1")]
    [InlineData("3XB")]
    [InlineData("2GiB")]
    [InlineData("0.3B")]
    [InlineData("99999999999999999999999999999GiB")]
    public void What_is_no_size_is_refused(string text) => Assert.False(ByteSize.TryParse(text, out _));

    [Theory]
    [InlineData(1048576, "1MiB")]
    [InlineData(2048, "2KiB")]
    [InlineData(1500, "1500")]
    public void A_size_is_written_so_that_it_can_be_read(int bytes, string text) => Assert.Equal(text, new ByteSize(bytes).ToString());
}
