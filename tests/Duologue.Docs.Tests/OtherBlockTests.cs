using System.Text.Json;
using Acornima;
using Duologue.Docs.Tests.Reading;
using Jint;

namespace Duologue.Docs.Tests;

/// <summary>What the documents show in JavaScript and JSON can be read as such.</summary>
public class OtherBlockTests
{
    [Fact]
    public void Every_block_of_JavaScript_can_be_parsed()
    {
        Block[] blocks = [.. Book.Blocks("js", "javascript")];

        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => Assert.True(Parse(block.Text) is not { } fault, $"{block}: {Parse(block.Text)}"));
        Assert.NotNull(Parse("ws.onopen = {"));
    }

    [Fact]
    public void Every_block_of_JSON_can_be_parsed()
    {
        // Members without their object are shown, too.
        Block[] blocks = [.. Book.Blocks("json")];

        Assert.NotEmpty(blocks);
        Assert.All(blocks, block => JsonDocument.Parse(block.Text.TrimStart().StartsWith('"') ? $"{{{block.Text}}}" : block.Text).Dispose());
    }

    private static string? Parse(string code)
    {
        try
        {
            Engine.PrepareModule(code);
            return null;
        }
        catch (Exception e) when (e is ParseErrorException or ScriptPreparationException)
        {
            return e.Message;
        }
    }
}
