using System.Text.Json;
using Duologue.Cli.Talk;

namespace Duologue.Cli.Tests.Talk;

/// <summary>Who applies the same log has the same talk, wherever in it he began.</summary>
public sealed class TalkRoomTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(TalkRoom.EntriesPerStanding)]
    public void A_process_that_starts_knows_from_the_log_what_the_others_know(int first)
    {
        var node = new Node();
        node.Fill();
        Assert.Single(node.Log.Entries, entry => entry is Standing);

        var late = new Node();
        late.Room.Lose();
        late.Apply(node.Log.Entries, first);
        late.Room.CatchUp(node.Log.Entries.Count);
        Assert.Empty(late.Log.Posted);
        AssertSame(node, late);
    }

    [Fact]
    public void A_process_that_does_not_find_it_in_the_log_asks_the_others()
    {
        var node = new Node();
        node.Fill();
        int first = node.Log.Entries.Count - 3;
        Assert.DoesNotContain(node.Log.Entries.Skip(first - 1), entry => entry is Standing);

        var late = new Node();
        late.Room.Lose();
        late.Apply(node.Log.Entries, first);
        late.Room.CatchUp(node.Log.Entries.Count);
        Assert.Empty(late.Room.ListNames());
        Asking asking = Assert.IsType<Asking>(Assert.Single(late.Log.Posted));

        // Somebody speaks before the answer is there.
        int from = node.Log.Entries.Count + 1;
        node.Append(asking);
        node.Append(new Saying(node.KeyOf(1), "meanwhile", null));
        node.AppendPosted();
        late.Apply(node.Log.Entries, from);
        AssertSame(node, late);
    }

    [Fact]
    public void A_talk_that_nobody_knows_begins_anew_and_only_if_nothing_came_between()
    {
        var node = new Node();
        node.Append(new Beginning("one", 0));
        node.Append(new Joining(node.KeyOf(1), "Ada", Person.Terminal, null));
        node.Append(new Beginning("two", 0));
        Assert.Equal(["Ada"], node.Room.ListNames());
        node.Append(new Beginning("three", 3));
        Assert.Empty(node.Room.ListNames());
    }

    [Fact]
    public void The_people_of_a_node_that_nobody_is_present_by_leave_after_some_looks()
    {
        var node = new Node();
        node.Append(new Beginning("one", 0));
        node.Append(new Joining("other.1", "Ada", Person.Terminal, null));
        node.Append(new Joining("another.1", "Ben", Person.Terminal, null));
        node.Room.Sweep(_ => false);
        node.Room.Sweep(_ => true);
        for (int i = 0; i < 5; i++)
        {
            node.Room.Sweep(by => by == "another");
            Assert.Empty(node.Log.Posted);
        }

        node.Room.Sweep(by => by == "another");
        Assert.Equal(new Leaving("other.1"), Assert.Single(node.Log.Posted));
        node.AppendPosted();
        Assert.Equal(["Ben"], node.Room.ListNames());
    }

    // What a room writes for one that asks is all that it knows.
    private static void AssertSame(Node one, Node two)
    {
        one.Append(new Asking("somebody"));
        two.Apply(one.Log.Entries, one.Log.Entries.Count);
        string[] known = [Standing(one), Standing(two)];
        Assert.Equal(known[0], known[1]);
        Assert.Contains("\"people\":[{", known[0], StringComparison.Ordinal);

        static string Standing(Node node) => JsonSerializer.Serialize(node.Log.Posted.OfType<Standing>().Last(), TalkJson.Default.TalkEntry);
    }

    /// <summary>A process, and the log as it has it.</summary>
    private sealed class Node
    {
        public Node() => Room = new TalkRoom(Log, new NodeAudience(), TimeProvider.System, 100);

        public TestLog Log { get; } = new();

        public TalkRoom Room { get; }

        public string KeyOf(int number) => $"{Log.Node}.{number}";

        public void Append(TalkEntry entry)
        {
            Log.Entries.Add(entry);
            Apply(Log.Entries, Log.Entries.Count);
        }

        /// <summary>Applies a log from an entry on.</summary>
        public void Apply(List<TalkEntry> entries, int first)
        {
            for (int place = first; place <= entries.Count; place++)
            {
                byte[] content = entries[place - 1] is Filing ? [(byte)place, 1, 2] : [];
                Room.Apply(place, DateTimeOffset.UnixEpoch.AddSeconds(place), entries[place - 1], content);
            }
        }

        public void AppendPosted()
        {
            TalkEntry[] posted = [.. Log.Posted];
            Log.Posted.Clear();
            Array.ForEach(posted, Append);
        }

        /// <summary>So much talk that how it stands is written: people come, go, change their names, speak and send files.</summary>
        public void Fill()
        {
            Append(new Beginning("talk", 0));
            for (int i = 1; i <= (TalkRoom.EntriesPerStanding / 4) + 1; i++)
            {
                Append(new Joining(KeyOf(i), i % 3 == 0 ? "Ada" : null, Person.Browser, null));
                Append(new Saying(KeyOf(i), $"hello {i}", i));
                Append(new Naming(KeyOf(i), i % 2 == 0 ? "Ben" : "Cy"));
                Append(i % 5 == 0 ? new Leaving(KeyOf(i - 1)) : new Filing(KeyOf(i), "f", "a/b", null));
            }

            AppendPosted();
            for (int i = 1; i <= 4; i++)
            {
                Append(new Saying(KeyOf(1), $"and {i}", null));
            }
        }
    }

    private sealed class TestLog : TalkLog
    {
        public List<TalkEntry> Entries { get; } = [];

        public List<TalkEntry> Posted { get; } = [];

        public override bool IsShared => true;

        public override void Attach(TalkRoom room)
        {
            // The test applies.
        }

        public override ValueTask AppendAsync(TalkEntry entry, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => throw new NotSupportedException();

        public override void Post(TalkEntry entry) => Posted.Add(entry);

        public override void MakePresent(Connection connection) => throw new NotSupportedException();
    }
}
