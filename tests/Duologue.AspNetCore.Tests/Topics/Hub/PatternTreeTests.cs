using CsCheck;

namespace Duologue.AspNetCore.Tests.Pubsub;

public class PatternTreeTests
{
    private static readonly string[] Words = ["a", "b", "ab"];

    [Fact]
    public void What_is_found_is_what_each_pattern_says_whoever_comes_and_goes()
    {
        Gen<string> word = Gen.Int[0, Words.Length - 1].Select(i => Words[i]);
        Gen<string> segment = Gen.Frequency((3, word), (2, Gen.Const("*")));
        Gen<string> pattern = Gen.Select(segment.Array[0, 4], Gen.Int[0, 2], (segments, end) => string.Join('/', end == 0 || segments.Length == 0 ? [.. segments, "**"] : segments));
        Gen<string> name = word.Array[1, 5].Select(segments => string.Join('/', segments));

        // Of so few words most patterns come again, and then they go: the tree grows and is cut back.
        Gen.Select(pattern.Array[0, 120], name.Array[1, 10]).Sample((changes, names) =>
        {
            var tree = new PatternTree();
            HashSet<string> all = [];
            foreach (string changed in changes)
            {
                if (all.Add(changed))
                {
                    tree.Add(changed);
                }
                else
                {
                    all.Remove(changed);
                    tree.Remove(changed);
                }

                CheckAll(tree, all, names);
            }

            foreach (string left in all.Order(StringComparer.Ordinal).ToArray())
            {
                all.Remove(left);
                tree.Remove(left);
                CheckAll(tree, all, names);
            }
        });
    }

    [Fact]
    public void Patterns_of_the_most_segments_that_begin_alike()
    {
        string deep = string.Concat(Enumerable.Repeat("*/", 127));
        string name = string.Concat(Enumerable.Repeat("a/", 127)) + "7";
        var tree = new PatternTree();
        string[] all = [.. Enumerable.Range(0, 10).Select(i => deep + i), .. Enumerable.Range(1, 100).Select(i => deep[..(2 * i)] + "**")];
        foreach (string pattern in all)
        {
            tree.Add(pattern);
        }

        CheckAll(tree, all, [name]);
        foreach (string pattern in all[..9])
        {
            tree.Remove(pattern);
        }

        CheckAll(tree, all[9..], [name]);
    }

    [Fact]
    public void Of_many_patterns_the_one_is_found_and_where_there_is_none_nothing_is_allocated()
    {
        var tree = new PatternTree();
        for (int i = 0; i < 10_000; i++)
        {
            tree.Add($"*/{i}/**");
        }

        Assert.Equal(["*/4711/**"], tree.Find("a/4711/b")!);
        Assert.Null(tree.Find("a/x/b"));

        long before = GC.GetAllocatedBytesForCurrentThread();
        tree.Find("a/x/b");
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void CheckAll(PatternTree tree, IReadOnlyCollection<string> all, string[] names)
    {
        foreach (string name in names)
        {
            Assert.Equal(
                all.Where(pattern => TopicName.Matches(pattern, name)).Order(StringComparer.Ordinal),
                (tree.Find(name) ?? []).Order(StringComparer.Ordinal));
        }
    }
}
