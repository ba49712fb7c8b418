using Duologue.Cli.Terminal;

namespace Duologue.Cli.Tests.Terminal;

public sealed class LineEditorTests : IDisposable
{
    private static readonly ConsoleKeyInfo Enter = Key(ConsoleKey.Enter);
    private readonly StringWriter _screen = new();
    private readonly Queue<ConsoleKeyInfo> _keys = new();
    private readonly LineEditor _editor;

    public LineEditorTests() => _editor = new(_screen, "> ", _keys.Dequeue);

    public void Dispose() => _screen.Dispose();

    [Fact]
    public void What_is_typed_is_a_line()
    {
        Type("hello 🙂");
        Press(Enter);
        Assert.Equal("hello 🙂", _editor.ReadLine());
    }

    [Fact]
    public void The_line_can_be_edited_by_whole_characters()
    {
        Type("ab🙂d");
        Press(Key(ConsoleKey.LeftArrow), Key(ConsoleKey.Backspace));
        Type("c");
        Press(Key(ConsoleKey.Home), Key(ConsoleKey.Delete), Key(ConsoleKey.End));
        Type("!");
        Press(Enter);
        Assert.Equal("bcd!", _editor.ReadLine());
    }

    [Fact]
    public void A_word_and_all_before_the_cursor_can_be_taken_away()
    {
        Type("one two three ");
        Press(Key(ConsoleKey.W, control: true));
        Type("x");
        Press(Enter);
        Assert.Equal("one two x", _editor.ReadLine());
        Type("gone");
        Press(Key(ConsoleKey.U, control: true));
        Type("kept");
        Press(Enter);
        Assert.Equal("kept", _editor.ReadLine());
    }

    [Fact]
    public void Earlier_lines_come_back()
    {
        foreach (string line in new[] { "first", "second" })
        {
            Type(line);
            Press(Enter);
            Assert.Equal(line, _editor.ReadLine());
        }

        Press(Key(ConsoleKey.UpArrow), Key(ConsoleKey.UpArrow), Key(ConsoleKey.UpArrow), Enter);
        Assert.Equal("first", _editor.ReadLine());
        Press(Key(ConsoleKey.UpArrow), Key(ConsoleKey.DownArrow), Enter);
        Assert.Equal("", _editor.ReadLine());
    }

    [Fact]
    public void Control_D_ends_an_empty_line_only()
    {
        ConsoleKeyInfo end = Key(ConsoleKey.D, control: true);
        Type("x");
        Press(end, Enter, end);
        Assert.Equal("x", _editor.ReadLine());
        Assert.Null(_editor.ReadLine());
    }

    [Fact]
    public void What_comes_is_written_above_the_line_being_typed()
    {
        LineEditor? editor = null;
        editor = new LineEditor(_screen, "> ", () =>
        {
            if (_keys.Count == 1)
            {
                _screen.GetStringBuilder().Clear();
                editor!.WriteAbove(() => _screen.Write("news\n"));
                Assert.Equal("\r\x1b[2Knews\n\r\x1b[2K\x1b[1m> \x1b[0mhalf", _screen.ToString());
            }

            return _keys.Dequeue();
        });
        Type("half");
        Press(Enter);
        Assert.Equal("half", editor.ReadLine());
    }

    private void Type(string text)
    {
        foreach (char c in text)
        {
            Press(new ConsoleKeyInfo(c, ConsoleKey.None, false, false, false));
        }
    }

    private void Press(params ConsoleKeyInfo[] keys)
    {
        foreach (ConsoleKeyInfo key in keys)
        {
            _keys.Enqueue(key);
        }
    }

    private static ConsoleKeyInfo Key(ConsoleKey key, bool control = false) => new('\0', key, false, false, control);
}
