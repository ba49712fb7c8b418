using System.Text;

namespace Duologue.Cli.Terminal;

/// <summary>
/// The line being typed at the foot of the terminal, kept whole while messages come in above it. Left, Right, Home, End, Up and
/// Down (earlier lines), Backspace, Delete, Ctrl+U and Ctrl+W edit it; Ctrl+D on an empty line ends the input. Thread-safe but
/// for <see cref="ReadLine"/>, which one thread calls.
/// </summary>
internal sealed class LineEditor(TextWriter terminal, string prompt, Func<ConsoleKeyInfo> readKey)
{
    private const int MostRemembered = 200;
    private const string EraseLine = "\r\x1b[2K";
    private const int DefaultWidth = 80;

    private readonly Lock _lock = new();
    private readonly StringBuilder _line = new();
    private readonly List<string> _earlier = [];
    private int _cursor;
    private int _earlierIndex;
    private bool _reading;
    private bool _ended;

    /// <summary>One at the terminal that the process has.</summary>
    public static LineEditor ForConsole() => new(Console.Out, "› ", () => Console.ReadKey(intercept: true));

    /// <summary>Writes whole lines above the one being typed.</summary>
    public void WriteAbove(Action write)
    {
        lock (_lock)
        {
            if (!_reading)
            {
                write();
                return;
            }

            terminal.Write(EraseLine);
            terminal.Flush();
            write();
            Draw();
        }
    }

    /// <summary>Takes the line being typed off the screen, for good: the conversation is over though the terminal is still read.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_reading)
            {
                terminal.Write(EraseLine);
                terminal.Flush();
            }

            _reading = false;
            _ended = true;
        }
    }

    /// <summary>Waits for a line; null at the end of the input.</summary>
    public string? ReadLine()
    {
        lock (_lock)
        {
            _reading = !_ended;
            Draw();
        }

        while (true)
        {
            ConsoleKeyInfo key = readKey();
            lock (_lock)
            {
                bool ends = key is { Key: ConsoleKey.D, Modifiers: ConsoleModifiers.Control } && _line.Length == 0;
                if (!ends && key.Key != ConsoleKey.Enter)
                {
                    Edit(key);
                    Draw();
                    continue;
                }

                terminal.Write(EraseLine);
                terminal.Flush();
                _reading = false;
                return ends ? null : TakeLine();
            }
        }
    }

    private string TakeLine()
    {
        string line = _line.ToString();
        _line.Clear();
        _cursor = 0;
        if (line.Length > 0 && (_earlier.Count == 0 || _earlier[^1] != line))
        {
            _earlier.Add(line);
            if (_earlier.Count > MostRemembered)
            {
                _earlier.RemoveAt(0);
            }
        }

        _earlierIndex = _earlier.Count;
        return line;
    }

    private void Edit(ConsoleKeyInfo key)
    {
        switch (key.Key)
        {
            case ConsoleKey.LeftArrow:
                _cursor -= StepBack();
                break;
            case ConsoleKey.RightArrow when _cursor < _line.Length:
                _cursor += StepForward();
                break;
            case ConsoleKey.Home:
            case ConsoleKey.A when key.Modifiers == ConsoleModifiers.Control:
                _cursor = 0;
                break;
            case ConsoleKey.End:
            case ConsoleKey.E when key.Modifiers == ConsoleModifiers.Control:
                _cursor = _line.Length;
                break;
            case ConsoleKey.Backspace:
                Remove(StepBack());
                break;
            case ConsoleKey.Delete when _cursor < _line.Length:
                _line.Remove(_cursor, StepForward());
                break;
            case ConsoleKey.U when key.Modifiers == ConsoleModifiers.Control:
                Remove(_cursor);
                break;
            case ConsoleKey.W when key.Modifiers == ConsoleModifiers.Control:
                string before = _line.ToString(0, _cursor).TrimEnd();
                Remove(_cursor - (before.LastIndexOf(' ') + 1));
                break;
            case ConsoleKey.UpArrow:
                Recall(_earlierIndex - 1);
                break;
            case ConsoleKey.DownArrow:
                Recall(_earlierIndex + 1);
                break;
            default:
                if (!char.IsControl(key.KeyChar) && key.KeyChar != '\0')
                {
                    _line.Insert(_cursor++, key.KeyChar);
                }

                break;
        }
    }

    private void Remove(int count)
    {
        _line.Remove(_cursor - count, count);
        _cursor -= count;
    }

    private void Recall(int index)
    {
        if (index < 0 || index > _earlier.Count)
        {
            return;
        }

        _earlierIndex = index;
        _line.Clear();
        _line.Append(index < _earlier.Count ? _earlier[index] : "");
        _cursor = _line.Length;
    }

    // A character beyond the basic plane is two chars, which go together.
    private int StepBack() => _cursor == 0 ? 0 : _cursor > 1 && char.IsSurrogatePair(_line[_cursor - 2], _line[_cursor - 1]) ? 2 : 1;

    private int StepForward() => _cursor + 1 < _line.Length && char.IsSurrogatePair(_line[_cursor], _line[_cursor + 1]) ? 2 : 1;

    // What does not fit is cut on the left, so that the cursor is always in sight.
    private void Draw()
    {
        if (_ended || (_cursor > 0 && char.IsHighSurrogate(_line[_cursor - 1])))
        {
            // Over, or the second half of a character is still to come.
            return;
        }

        int width = Math.Max(10, (Console.IsOutputRedirected ? DefaultWidth : Console.WindowWidth) - prompt.Length - 1);
        int start = Math.Max(0, _cursor - width + 1);
        string visible = _line.ToString(start, Math.Min(_line.Length - start, width));
        int back = visible.Length - (_cursor - start);
        terminal.Write($"{EraseLine}\x1b[1m{prompt}\x1b[0m{visible}{(back > 0 ? $"\x1b[{back}D" : "")}");
        terminal.Flush();
    }
}
