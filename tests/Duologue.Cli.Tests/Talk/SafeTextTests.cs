using Duologue.Cli.Talk;

namespace Duologue.Cli.Tests.Talk;

public sealed class SafeTextTests
{
    [Theory]
    [InlineData("  Ada \t Lovelace ", "Ada Lovelace")]
    [InlineData("<b>Ada</b>", "<b>Ada</b>")]
    [InlineData("a\u202eb\u0007c\u200bd", "abcd")]
    [InlineData("👩\u200d💻", "👩\u200d💻")]
    public void A_name_is_one_line_without_hidden_characters(string given, string cleaned) => Assert.Equal(cleaned, SafeText.CleanName(given));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData(" \n\u200b ")]
    public void A_name_of_nothing_is_none(string? given) => Assert.Null(SafeText.CleanName(given));

    [Fact]
    public void A_name_is_cut_between_characters()
    {
        string cleaned = SafeText.CleanName(string.Concat(Enumerable.Repeat("🙂", 30)))!;
        Assert.Equal(string.Concat(Enumerable.Repeat("🙂", TalkLimits.Name / 2)), cleaned);
    }

    [Theory]
    [InlineData("../../etc/passwd", "passwd")]
    [InlineData(@"C:\Users\ada\photo.png", "photo.png")]
    [InlineData("..", "file")]
    [InlineData(null, "file")]
    public void A_file_name_has_no_path(string? given, string cleaned) => Assert.Equal(cleaned, SafeText.CleanFileName(given));

    [Theory]
    [InlineData("image/png", "image/png")]
    [InlineData("Text/Plain; charset=utf-8", "text/plain")]
    [InlineData("image/svg+xml", "image/svg+xml")]
    [InlineData("nonsense", "application/octet-stream")]
    [InlineData("a/b/c", "application/octet-stream")]
    [InlineData("a/\"b", "application/octet-stream")]
    [InlineData(null, "application/octet-stream")]
    public void A_media_type_is_one_or_that_of_plain_octets(string? given, string cleaned) => Assert.Equal(cleaned, SafeText.CleanMediaType(given));
}
