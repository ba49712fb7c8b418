using CsCheck;
using Duologue.Protocol.Handshake;
using Microsoft.Extensions.Primitives;

namespace Duologue.Tests.Protocol.Handshake;

public class HeaderListTests
{
    private static List<string> Read(params string?[] lines)
    {
        var elements = new List<string>();
        foreach (ReadOnlySpan<char> element in HeaderList.Elements(lines))
        {
            elements.Add(element.ToString());
        }

        return elements;
    }

    [Fact]
    public void Elements_come_in_order_from_all_lines_trimmed_and_without_empty_ones() =>
        Assert.Equal(["a", "b c", "d", "e"], Read(" a ,, b c\t,", null, "", " , ", "d,e"));

    [Fact]
    public void However_a_list_is_cut_into_lines_its_elements_are_the_same() =>
        Gen.Select(Gen.String[Gen.Char["abcXYZ09-"], 1, 8].Array[0, 20], Gen.Bool.Array[20]).Sample((elements, newLine) =>
        {
            var lines = new List<string?> { "" };
            for (int i = 0; i < elements.Length; i++)
            {
                if (newLine[i])
                {
                    lines.Add(elements[i]);
                }
                else
                {
                    lines[^1] += $" ,\t{elements[i]} ";
                }
            }

            return Read([.. lines]).SequenceEqual(elements);
        });

    [Theory]
    [InlineData("keep-alive, Upgrade", true)]
    [InlineData("UPGRADE", true)]
    [InlineData("keep-alive,upgrade", true)]
    [InlineData("upgraded", false)]
    [InlineData("up grade", false)]
    [InlineData("\"upgrade\"", false)]
    [InlineData("", false)]
    public void A_token_is_found_as_a_whole_element_without_regard_to_case(string line, bool found) =>
        Assert.Equal(found, HeaderList.ContainsIgnoreCase<string[]>([line], "upgrade"));

    [Fact]
    public void Only_ASCII_folds_its_case() =>
        Assert.False(HeaderList.ContainsIgnoreCase<string[]>(["web\u017Foc\u212Aet"], "websocket")); // long s, Kelvin sign

    [Fact]
    public void An_absent_header_has_no_elements()
    {
        Assert.False(HeaderList.ContainsIgnoreCase<string[]>(null!, "upgrade"));
        Assert.Equal(0, HeaderList.Count(default(StringValues)));
    }

    [Fact]
    public void String_values_of_ASP_NET_Core_are_read_without_allocating()
    {
        var values = new StringValues(["keep-alive", "a, Upgrade"]);
        HeaderList.ContainsIgnoreCase(values, "upgrade");
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool found = HeaderList.ContainsIgnoreCase(values, "upgrade");
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.True(found);
    }
}
