using System.ComponentModel;

namespace Duologue.Tests;

public sealed class CompressionTests
{
    [Theory]
    [InlineData("off", "off")]
    [InlineData("Shared", "shared")]
    [InlineData(" dedicated ", "dedicated")]
    [InlineData("dedicated:15", "dedicated")]
    [InlineData("dedicated:9", "dedicated:9")]
    public void A_mode_is_written_as_it_is_read(string text, string written)
    {
        Assert.True(Compression.TryParse(text, out Compression compression));
        Assert.Equal(written, compression.ToString());
        Assert.Equal(compression, TypeDescriptor.GetConverter(typeof(Compression)).ConvertFromInvariantString(text));
    }

    [Theory]
    [InlineData("")]
    [InlineData(null)]
    [InlineData("on")]
    [InlineData("dedicated:8")]
    [InlineData("dedicated:16")]
    [InlineData("dedicated:")]
    [InlineData("dedicated: 9")]
    [InlineData("shared:9")]
    public void What_is_no_mode_is_refused(string? text)
    {
        Assert.False(Compression.TryParse(text, out _));
        if (text is not null)
        {
            Assert.Contains("dedicated:9", Assert.Throws<FormatException>(() => TypeDescriptor.GetConverter(typeof(Compression)).ConvertFromInvariantString(text)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Windows_and_thresholds_out_of_range_are_refused()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => Compression.Dedicated(8));
        Assert.Throws<ArgumentOutOfRangeException>(() => Compression.Dedicated(16));
        Assert.Throws<ArgumentOutOfRangeException>(() => Compression.Shared with { Threshold = -1 });
        Assert.Equal(0, (Compression.Shared with { Threshold = 0 }).Threshold);
    }

    [Fact]
    public void Modes_compare_by_content()
    {
        Assert.Equal(Compression.Dedicated(12), Compression.Dedicated(12));
        Assert.NotEqual(Compression.Dedicated(12), Compression.Dedicated(13));
        Assert.NotEqual(Compression.Shared, Compression.Shared with { Threshold = 1 });
        Assert.Equal(Compression.Off, new ConnectionOptions().Compression);
    }
}
