using Duologue.Docs.Tests.Compiling;
using Duologue.Docs.Tests.Reading;
using Duologue.Tests.Shared;

namespace Duologue.Docs.Tests;

/// <summary>What the documents show in C# is C#, and of these packages.</summary>
public class CSharpBlockTests
{
    [Fact]
    public void Every_block_compiles()
    {
        Block[] blocks = [.. Book.Blocks("csharp", "cs").Where(block => block.NotCompiled is null)];

        Assert.True(blocks.Length > 60, $"Only {blocks.Length} blocks were found.");
        Told(SnippetCompiler.Compile(blocks));
    }

    [Fact]
    public void Every_example_in_a_comment_compiles()
    {
        Block[] examples = [.. Book.Examples()];

        Assert.True(examples.Length >= 4, $"Only {examples.Length} examples were found.");
        Told(SnippetCompiler.Compile(examples));
    }

    /// <summary>A comment <c>not compiled: why</c> above a block takes it out; whoever adds one changes this number, and says why in the comment.</summary>
    [Fact]
    public void One_block_is_no_code_to_compile()
    {
        Block left = Assert.Single(Book.Documents.SelectMany(document => document.Blocks), block => block.NotCompiled is not null);

        Assert.Equal("docs/conformance.md", left.File);
        Assert.NotEmpty(SnippetCompiler.Compile([left]));
    }

    [Theory]
    [InlineData("README.md", 0, "samples/Talk/Program.cs")]
    [InlineData("README.md", 1, "samples/Guest/Program.cs")]
    [InlineData("src/Duologue.AspNetCore/README.md", 0, "samples/Talk/Program.cs")]
    public void A_program_that_the_documents_show_is_the_sample(string file, int block, string sample)
    {
        Document document = Assert.Single(Book.Documents, document => document.File == file);

        Assert.Equal(File.ReadAllText(Repository.PathOf(sample)).ReplaceLineEndings("\n").Trim(), document.Blocks.Where(block => block.Language == "csharp").ElementAt(block).Text.Trim());
    }

    [Fact]
    public void What_does_not_compile_is_told_with_its_document_and_line()
    {
        const string Text = """
            # A document

            ```csharp
            using Duologue;

            var uri = new Uri("ws://localhost");
            await Connection.ConectAsync(uri);
            ```

            ```csharp
            connection.Send("hello");
            connection.PingAsync(cancellationToken);
            ...
            topics.Publish("a", "b");

            sealed class Echo : MessageHandler
            {
                public override ValueTask OnMessage(Connection connection, Message message) => default;
            }
            ```
            """;

        string[] told = [.. SnippetCompiler.Compile(new Document("a.md", Text).Blocks)];

        Assert.Contains(told, line => line.StartsWith("a.md(7): CS0117", StringComparison.Ordinal) && line.Contains("ConectAsync", StringComparison.Ordinal));
        Assert.Contains(told, line => line.StartsWith("a.md(12): CS4014", StringComparison.Ordinal) || line.StartsWith("a.md(12): CS2012", StringComparison.Ordinal));
        Assert.Contains(told, line => line.StartsWith("a.md(18): CS0115", StringComparison.Ordinal));
        Assert.DoesNotContain(told, line => line.StartsWith("a.md(14)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_program_has_only_the_namespaces_that_it_names()
    {
        Block program = new("a.md", 1, "csharp", """
            var app = WebApplication.CreateBuilder(args).Build();
            app.Services.GetRequiredService<Topics>();
            """, null);

        Assert.Contains("a.md(2): CS0246", Assert.Single(SnippetCompiler.Compile([program])), StringComparison.Ordinal);
        Assert.Empty(SnippetCompiler.Compile([program with { Text = "using Duologue.AspNetCore;\n" + program.Text }]));
    }

    private static void Told(IReadOnlyList<string> faults) => Assert.True(faults.Count == 0, string.Join('\n', faults));
}
