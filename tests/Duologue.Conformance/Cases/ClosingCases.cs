using System.Text;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;

namespace Duologue.Conformance.Cases;

/// <summary>Family 7: the close handshake, RFC 6455 §5.5.1, §7.1 and §7.4.</summary>
internal static class ClosingCases
{
    private static readonly Frame Before = Frame.Text("before");

    public static IReadOnlyList<Case> All()
    {
        var table = new Table(7);
        Codes(table);
        Reasons(table);
        Bodies(table);
        Behind(table);
        Within(table);
        FromTheOtherSide(table);
        return table.Lines;
    }

    /// <summary>§7.4.1, §7.4.2 and the IANA registry: 1004 means nothing, 1005, 1006 and 1015 are not for the wire.</summary>
    private static bool IsAllowed(int code) => code is (>= 1000 and <= 1003) or (>= 1007 and <= 1014) or (>= 3000 and <= 4999);

    private static void Codes(Table table)
    {
        int[] quick = [0, 1, 500, 999, .. Enumerable.Range(1000, 21), 1099, 1100, 1999, 2000, 2500, 2999, 3000, 3001, 3500, 3999, 4000, 4001, 4500, 4999, 5000, 5001, 9999, 32768, 65534, 65535];
        table.Group();
        for (int code = 0; code <= 65535; code++)
        {
            bool inQuick = Array.IndexOf(quick, code) >= 0;

            // Every code up to 5100, and beyond it those that differ in one bit or so.
            if (!inQuick && code > 5100 && code % 257 != 0)
            {
                continue;
            }

            int given = code;

            // 1010 is a client's alone: a server cannot echo it.
            int echoed = IsAllowed(code) ? code : 1002;
            table.Add("§7.4", $"close {code}", c => c.Send(Frame.Close(given)).Closes(given == 1010 ? 1000 : echoed).Only(given == 1010 ? Judged.Server : Judged.Both).Strict(!inQuick));
            if (inQuick)
            {
                table.Add("§7.4", $"close {code} with a reason, after a text", c => c.Send(Before, Frame.Close(given, "because")).Echo(Before).Closes(given == 1010 ? 1000 : echoed).Only(given == 1010 ? Judged.Server : Judged.Both));
            }
        }
    }

    private static void Reasons(Table table)
    {
        table.Group();
        foreach (int size in new[] { 0, 1, 2, 60, 121, 122, 123 })
        {
            byte[] reason = Bytes.Text(size);
            table.Add("§5.5.1", $"close 1000 with a reason of {size} bytes", c => c.Send(Frame.Close(1000, reason)).Closes(1000));
            table.Add("§5.5.1", $"close 4000 with a reason of {size} bytes, cut to bytes", c => c.Send(Cut.Bytes, Frame.Close(4000, reason)).Closes(4000));
        }

        foreach (int size in new[] { 124, 125, 126, 1000, 70000 })
        {
            table.Add("§5.5", $"close 1000 with a reason of {size} bytes", c => c.Send(Frame.Close(1000, Bytes.Text(size))).Fails(1002));
            table.Add("§5.5", $"close 1000 with a reason of {size} bytes, after a text", c => c.Send(Before, Frame.Close(1000, Bytes.Text(size))).Echo(Before).Fails(1002));
        }

        foreach (byte[] bad in new byte[][] { [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0xAF], [0xE2, 0x82], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [.. Encoding.UTF8.GetBytes(new string('x', 122)), 0xC3] })
        {
            table.Add("§5.5.1", $"close 1000 with the reason {Convert.ToHexString(bad)}", c => c.Send(Frame.Close(1000, bad)).Fails(1007));
            table.Add("§5.5.1", $"close 1000 with the reason {Convert.ToHexString(bad)}, cut to bytes, after a text", c => c.Send(Cut.Bytes, Before, Frame.Close(1000, bad)).Echo(Before).Fails(1007));
        }
    }

    private static void Bodies(Table table)
    {
        table.Group();
        table.Add("§5.5.1", "an empty close", c => c.Send(Frame.CloseWith([])).Closes(1005));
        table.Add("§5.5.1", "an empty close, cut to bytes", c => c.Send(Cut.Bytes, Frame.CloseWith([])).Closes(1005));
        table.Add("§5.5.1", "an empty close after a text", c => c.Send(Before, Frame.CloseWith([])).Echo(Before).Closes(1005));
        foreach (byte value in new byte[] { 0, 3, 0x61, 0xFF })
        {
            table.Add("§5.5.1", $"a close with the body {value:X2}", c => c.Send(Frame.CloseWith([value])).Fails(1002));
            table.Add("§5.5.1", $"a close with the body {value:X2}, cut to bytes, after a text", c => c.Send(Cut.Bytes, Before, Frame.CloseWith([value])).Echo(Before).Fails(1002));
        }

        foreach (int size in new[] { 0, 2, 20 })
        {
            byte[] body = size == 0 ? [] : [3, 232, .. Bytes.Text(size - 2)];
            table.Add("§5.5", $"a close of {size} bytes without FIN", c => c.Send(Frame.CloseWith(body).More).Fails(1002));
            table.Add("§5.5", $"a close of {size} bytes without FIN, then a continuation", c => c.Send(Frame.CloseWith(body).More, Frame.Continue([])).Fails(1002));
        }
    }

    // §5.5.1: nothing follows a Close; what does is passed over, and does not harm the answer.
    private static void Behind(Table table)
    {
        table.Group();
        foreach (Cut cut in new[] { Cut.None, Cut.Frames })
        {
            table.Add("§5.5.1", $"a text behind the close, {cut}", c => c.Send(cut, Frame.Close(1000), Frame.Text("late")).Closes(1000) with { AnyEnd = cut == Cut.Frames });
            table.Add("§5.5.1", $"a ping behind the close, {cut}", c => c.Send(cut, Frame.Close(1000), Frame.Ping("late")).Closes(1000) with { AnyEnd = cut == Cut.Frames });
            table.Add("§5.5.1", $"a second close, {cut}", c => c.Send(cut, Frame.Close(1000), Frame.Close(1001)).Closes(1000) with { AnyEnd = cut == Cut.Frames });
            table.Add("§5.5.1", $"a reserved opcode behind the close, {cut}", c => c.Send(cut, Frame.Close(4001), new Frame(15, [])).Closes(4001) with { AnyEnd = cut == Cut.Frames });
            table.Add("§5.5.1", $"the second close wrong, {cut}", c => c.Send(cut, Frame.Close(4002), Frame.Close(1006)).Closes(4002) with { AnyEnd = cut == Cut.Frames });
        }

        byte[] much = Bytes.Text(3000);
        table.Add("§5.5.1", "3000 bytes behind the close, in one write", c => c.Send(Frame.Close(1000), Frame.Text(much)).Closes(1000));
        table.Add("§5.5.1", "a text, a ping, and a close in one write", c => c.Send(Before, Frame.Ping([9]), Frame.Close(1000)).Echo(Before).Pong([9]).Closes(1000));
        foreach (int count in new[] { 10, 100 })
        {
            Frame[] texts = [.. Enumerable.Range(0, count).Select(i => Frame.Text($"number {i}"))];
            table.Add("§5.5.1", $"{count} texts and a close in one write: all echoes come first", c => c.Send([.. texts, Frame.Close(1001)]).Echo(texts).Closes(1001));
            table.Add("§5.5.1", $"{count} texts and a close, a write for each: all echoes come first", c => c.Send(Cut.Frames, [.. texts, Frame.Close(1001)]).Echo(texts).Closes(1001));
        }

        Frame large = Frame.Binary(Bytes.Binary(200_000));
        table.Add("§5.5.1", "a binary of 200,000 bytes and a close in one write: the echo comes first", c => c.Send(large, Frame.Close(1000)).Echo(large).Closes(1000));
    }

    private static void Within(Table table)
    {
        table.Group();
        foreach (Cut cut in new[] { Cut.None, Cut.Frames, Cut.Bytes })
        {
            table.Add("§5.4", $"a close inside a fragmented text, {cut}", c => c.Send(cut, Frame.Text("a").More, Frame.Close(1000)).Closes(1000));
            table.Add("§5.4", $"an empty close inside a fragmented binary, {cut}", c => c.Send(cut, Frame.Binary([1]).More, Frame.Continue([2]).More, Frame.CloseWith([])).Closes(1005));
            table.Add("§5.4", $"a close with a bad code inside a fragmented text, {cut}", c => c.Send(cut, Frame.Text("a").More, Frame.Close(1005)).Fails(1002));
        }

        table.Add("§5.5.1", "a close behind an open text, which is not delivered", c => c.Send(Before, Frame.Text("open").More, Frame.Close(1001)).Echo(Before).Closes(1001));
    }

    // The judged peer closes first.
    private static void FromTheOtherSide(Table table)
    {
        table.Group();
        foreach ((int code, string reason) in new[] { (1000, ""), (1000, "done"), (1001, "going"), (3000, "registered"), (4999, "private"), (4000, new string('r', 100)) })
        {
            Frame command = Frame.Text($"{Echo.CloseCommand}{code} {reason}");
            table.Add("§7.1.2", $"it closes with {code} and a reason of {reason.Length} bytes", c => c.Send(command).AwaitClose().Send(Frame.Close(code)).Closes(code) with { Reason = reason });
            table.Add("§7.1.2", $"it closes with {code}; the answer has no code", c => c.Send(command).AwaitClose().Send(Frame.CloseWith([])).Closes(code));
            table.Add("§7.1.2", $"it closes with {code}; the answer has another", c => c.Send(command).AwaitClose().Send(Frame.Close(4444)).Closes(code));
            table.Add("§5.5.1", $"it closes with {code}; data still under way comes before the answer", c => c.Send(command).AwaitClose().Send(Frame.Text("under way"), Frame.Ping([1]), Frame.Close(code)).Closes(code));
            table.Add("§7.1.5", $"it closes with {code}; the closes cross", c => c.Send(command, Frame.Close(4321)).Closes(code) with { Code = Case.AnyCode });
        }

        Frame leave = Frame.Text(Echo.CloseCommand + "1000");
        table.Add("§7.1.7", "it closes; the answer is a close with a bad code", c => c.Send(leave).AwaitClose().Send(Frame.Close(1005)).Closes(1000));
        table.Add("§7.1.7", "it closes; the answer is a close of one byte", c => c.Send(leave).AwaitClose().Send(Frame.CloseWith([3])).Closes(1000));
        table.Add("§7.1.7", "it closes; a reserved opcode, then the answer", c => c.Send(leave).AwaitClose().Send(new Frame(3, []), Frame.Close(1000)).Closes(1000));
        table.Add("§7.1.1", "it closes; the answer never comes", c => c.Send(leave).AwaitClose().Closes(1000).On(Profile.Hasty) with { AnyEnd = true, Tail = Tail.Silent });
        table.Add("§7.1.1", "it closes; instead of an answer the stream ends", c => c.Send(leave).AwaitClose().EndSending().Closes(1000) with { AnyEnd = true });
    }
}
