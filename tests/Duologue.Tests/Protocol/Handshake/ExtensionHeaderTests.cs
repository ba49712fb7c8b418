using System.Text;
using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class ExtensionHeaderTests
{
    private static readonly Gen<string> Token = Gen.String[Gen.Char["abcXYZ019-_.!#$%&'*+^`|~"], 1, 10];
    private static readonly Gen<ExtensionParameter> Parameter = Gen.Select(Token, Gen.Null(Token)).Select((name, value) => new ExtensionParameter(name, value));
    private static readonly Gen<Extension> AnyExtension = Gen.Select(Token, Parameter.Array[0, 4]).Select((name, parameters) => new Extension(name, parameters));

    private static string[] Read(params string[] lines)
    {
        var extensions = new List<Extension>();
        Assert.True(ExtensionHeader.TryParse(lines, extensions, out string? error, out _), error);
        return [.. extensions.Select(extension => extension.ToString())];
    }

    private static string Error(params string[] lines)
    {
        Assert.False(ExtensionHeader.TryParse(lines, null, out string? error, out bool tooLarge));
        Assert.False(tooLarge);
        Assert.False(ExtensionHeader.TryParse(lines, [], out string? again, out _));
        Assert.Equal(error, again);
        return error!;
    }

    [Fact]
    public void What_browsers_send_is_read() =>
        Assert.Equal(["permessage-deflate; client_max_window_bits"], Read("permessage-deflate; client_max_window_bits"));

    [Fact]
    public void Several_extensions_lines_and_fallbacks_keep_their_order() =>
        Assert.Equal(
            ["permessage-deflate; server_max_window_bits=10", "permessage-deflate", "Foo"],
            Read("permessage-deflate;server_max_window_bits=10 , permessage-deflate", ",, Foo ,"));

    [Fact]
    public void Quoted_values_are_unquoted_and_unescaped() =>
        Assert.Equal(["a; b=10; c=xy", "d"], Read("a; b=\"10\"; c=\"\\x\\y\", d"));

    [Fact]
    public void Duplicate_parameters_are_kept_for_the_extension_to_judge() => Assert.Equal(["a; b=1; b=2"], Read("a;b=1;b=2"));

    [Fact]
    public void Names_keep_their_case() => Assert.Equal(["Permessage-Deflate; B=C"], Read("Permessage-Deflate; B=C"));

    [Fact]
    public void White_space_may_stand_between_all_parts() => Assert.Equal(["a; b=c; d"], Read("\t a\t; b = \"c\" ;\td "));

    [Fact]
    public void An_absent_header_has_no_extensions() => Assert.Empty(Read());

    [Theory]
    [InlineData("", "is empty")]
    [InlineData(" , ,", "is empty")]
    [InlineData("a;", "ends where the name of a parameter is expected")]
    [InlineData("a; =1", "has \"=\" where the name of a parameter is expected")]
    [InlineData("a; b=", "ends where a parameter's value is expected")]
    [InlineData("a; b=, c", "has \",\" where a parameter's value is expected")]
    [InlineData("a b", "has \"b\" where ';' or ',' is expected")]
    [InlineData("a; b c", "has \"c\" where ';' or ',' is expected")]
    [InlineData("a; b=\"c", "has a quoted value without its closing quote")]
    [InlineData("a; b=\"c\\", "has a quoted value without its closing quote")]
    [InlineData("a; b=\"\"", "has a quoted value that is not a token")]
    [InlineData("a; b=\"c d\"", "has a quoted value that is not a token")]
    [InlineData("a; b=\"c\"d", "has \"d\" where ';' or ',' is expected")]
    [InlineData("\"a\"", "has \"\"\" where the name of an extension is expected")]
    [InlineData("a/b", "has \"/\" where ';' or ',' is expected")]
    [InlineData("a, \u00e9", "has \"?\" where the name of an extension is expected")]
    public void What_breaks_the_grammar_is_refused_and_named(string line, string error) => Assert.StartsWith(error, Error(line), StringComparison.Ordinal);

    [Fact]
    public void A_quoted_value_of_over_128_characters_is_refused()
    {
        Assert.Single(Read($"a; b=\"{new string('c', 128)}\""));
        Assert.Contains("longer than 128", Error($"a; b=\"{new string('c', 129)}\""), StringComparison.Ordinal);
    }

    [Fact]
    public void The_length_of_all_lines_together_has_a_limit()
    {
        Assert.Equal(2, Read(new string('a', 4096), new string('b', 4096)).Length);
        Assert.False(ExtensionHeader.TryParse<string[]>([new string('a', 4096), new string('b', 4097)], null, out string? error, out bool tooLarge));
        Assert.True(tooLarge);
        Assert.Equal("is longer than 8192 characters", error);
    }

    [Fact]
    public void The_number_of_extensions_and_parameters_has_a_limit()
    {
        Assert.Equal(50, Read(string.Join(',', Enumerable.Repeat("a;b", 50))).Length);
        Assert.False(ExtensionHeader.TryParse<string[]>([string.Join(',', Enumerable.Repeat("a;b", 51))], null, out string? error, out bool tooLarge));
        Assert.True(tooLarge);
        Assert.Equal("has more than 100 extensions and parameters", error);
    }

    [Fact]
    public void However_extensions_are_written_they_are_read_as_they_were_meant() =>
        Gen.Select(AnyExtension.Array[1, 8], Gen.Int[0, 3].Array[200]).Sample((extensions, choices) =>
        {
            int next = 0;
            int Choose() => choices[next++ % choices.Length];
            string Space() => Choose() switch { 0 => " ", 1 => "\t ", _ => "" };
            var lines = new List<string>();
            var line = new StringBuilder();
            foreach (Extension extension in extensions)
            {
                line.Append(Space()).Append(extension.Name).Append(Space());
                foreach (ExtensionParameter parameter in extension.Parameters)
                {
                    line.Append(';').Append(Space()).Append(parameter.Name).Append(Space());
                    if (parameter.Value is { } value)
                    {
                        line.Append('=').Append(Space());
                        line.Append(Choose() switch
                        {
                            0 => $"\"{value}\"",
                            1 => $"\"{string.Concat(value.Select(c => $"\\{c}"))}\"",
                            _ => value,
                        }).Append(Space());
                    }
                }

                if (Choose() == 0)
                {
                    lines.Add(line.ToString());
                    line.Clear();
                }
                else
                {
                    line.Append(',');
                }
            }

            lines.Add(line.ToString());
            return Read([.. lines]).SequenceEqual(extensions.Select(extension => extension.ToString()));
        });

    [Fact]
    public void Whatever_comes_the_answer_is_yes_or_a_named_error() =>
        Gen.String[Gen.Char["ab,;=\"\\ \t\u00e9"], 0, 30].Sample(line =>
            ExtensionHeader.TryParse<string[]>([line], null, out string? error, out _) == (error is null));
}
