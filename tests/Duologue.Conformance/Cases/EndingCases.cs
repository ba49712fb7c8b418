using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>
/// Family 9: the end, RFC 6455 §7.1.1, §7.1.7 and §7.2.1: after every kind of violation the pending echo and the Close arrive, and the
/// stream ends cleanly, whatever the hostile peer goes on doing.
/// </summary>
internal static class EndingCases
{
    public static IReadOnlyList<Case> All()
    {
        var table = new Table(9);
        Frame before = Frame.Text("pending");
        (string Title, Frame Frame, int Code)[] violations =
        [
            ("a reserved bit", Frame.Text("x") with { Rsv = 2 }, 1002),
            ("a reserved opcode", new Frame(5, [1, 2, 3]), 1002),
            ("an unmasked or masked frame", Frame.Text("x") with { Masking = Masking.Wrong }, 1002),
            ("a lone continuation", Frame.Continue("x"), 1002),
            ("an oversized ping", Frame.Ping(Bytes.Binary(126)), 1002),
            ("a ping without FIN", Frame.Ping("x").More, 1002),
            ("a length in more bytes than it needs", Frame.Text("x") with { Form = LengthForm.Two }, 1002),
            ("invalid UTF-8", Frame.Text([0xC3, 0x28]), 1007),
            ("a message beyond the limit", Frame.Binary(new byte[(1024 * 1024) + 1]), 1009),
        ];
        foreach ((string title, Frame frame, int code) in violations)
        {
            table.Group();
            foreach (Tail tail in Enum.GetValues<Tail>())
            {
                // To wait for the end of lingering takes its two seconds; the quick run does so after some of the violations.
                bool slow = tail is Tail.Silent or Tail.MoreSilent or Tail.Flood;
                bool strict = slow && title is not ("a reserved opcode" or "invalid UTF-8" or "a message beyond the limit");
                table.Add("§7.1.7", $"{title} behind a text; then: {Words(tail)}", c => c.Send(before, frame).Echo(before).Fails(code).With(tail).Strict(strict));
                table.Add("§7.1.7", $"ten texts, {title}; then: {Words(tail)}", c => c.Send([.. Enumerable.Repeat(before, 10), frame]).Echo([.. Enumerable.Repeat(before, 10)]).Fails(code).With(tail).Strict(strict || slow));
            }

            Frame large = Frame.Binary(Bytes.Binary(300_000));
            table.Add("§7.1.7", $"a binary of 300,000 bytes, {title}", c => c.Send(large, frame).Echo(large).Fails(code));
        }

        // Bad Closes end the peer's stream by themselves.
        table.Group();
        foreach ((string title, Frame frame, int code) in new[] { ("a close of one byte", Frame.CloseWith([1]), 1002), ("a close with 1005", Frame.Close(1005), 1002), ("a close with a bad reason", Frame.Close(1000, [0xFF]), 1007) })
        {
            table.Add("§7.1.7", $"{title} behind a text", c => c.Send(before, frame).Echo(before).Fails(code));
            table.Add("§7.1.7", $"{title} behind a text, and more behind it in the same write", c => c.Send(before, frame, Frame.Text("late")).Echo(before).Fails(code));
            table.Add("§7.1.7", $"ten texts and {title}", c => c.Send([.. Enumerable.Repeat(before, 10), frame]).Echo([.. Enumerable.Repeat(before, 10)]).Fails(code));
        }

        Orderly(table, before);
        HalfClosed(table, before);
        return table.Lines;
    }

    private static void Orderly(Table table, Frame before)
    {
        table.Group();
        table.Add("§7.1.1", "after the close handshake the end comes from the server", c => c.Send(before).Echo(before));
        table.Add("§7.1.1", "after the close handshake a client ends by itself if the server does not", c => c.Send(Frame.Close(1000)).Closes(1000).With(Tail.Silent));
        table.Add("§7.2.1", "the stream ends without a Close, at rest", c => c.Send(before).Await(1, 0).EndSending().Echo(before).Fails(1000) with { NoClose = true });
        table.Add("§7.2.1", "the stream ends inside a header", c => c.Send(before).Await(1, 0).Send(Cut.None, new Frame(1, []) with { Declared = 5 }).EndSending().Echo(before).Fails(1000) with { NoClose = true });
        table.Add("§7.2.1", "the stream ends inside a frame", c => c.Send(before).Await(1, 0).Send(new Frame(1, [65]) { Declared = 5 }).EndSending().Echo(before).Fails(1000) with { NoClose = true });
        table.Add("§7.2.1", "the stream ends inside a message", c => c.Send(before).Await(1, 0).Send(Frame.Text("x").More).EndSending().Echo(before).Fails(1000) with { NoClose = true });
    }

    // A FIN says that the peer has no more to say, and not that it does not listen (RFC 9293 §3.6): what was due before it still comes.
    private static void HalfClosed(Table table, Frame before)
    {
        table.Group();
        Frame late = Frame.Text(Subjects.Echo.LateCommand + "this answer takes its time");
        foreach ((string title, Frame[] messages) in new (string, Frame[])[] { ("a text", [before]), ("ten texts", [.. Enumerable.Repeat(before, 10)]), ("a text that is answered late", [late]), ("a binary of 300,000 bytes", [Frame.Binary(Bytes.Binary(300_000))]) })
        {
            table.Add("§7.1.1", $"{title}, a close and the end right behind", c => c.Send([.. messages, Frame.Close(1000)]).EndSending().Echo(messages).Closes(1000) with { IsHalfClosed = true });
            table.Add("§7.1.7", $"{title}, a violation and the end right behind", c => c.Send([.. messages, new Frame(5, [])]).EndSending().Echo(messages).Fails(1002) with { IsHalfClosed = true });
            table.Add("§7.1.5", $"{title} and the end right behind", c => c.Send(messages).EndSending().Echo(messages).Fails(1000) with { IsHalfClosed = true, NoClose = true });
        }

        table.Add("§7.1.5", "the end at once", c => c.EndSending().Fails(1000) with { IsHalfClosed = true, NoClose = true });
    }

    private static string Words(Tail tail) => tail switch
    {
        Tail.Answer => "its close",
        Tail.Silent => "nothing",
        Tail.More => "64 KiB and its close",
        Tail.MoreSilent => "64 KiB and nothing",
        Tail.Flood => "a flood without end",
        Tail.End => "its end",
        _ => throw new ArgumentOutOfRangeException(nameof(tail), tail, null),
    };
}
