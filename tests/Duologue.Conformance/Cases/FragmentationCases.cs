using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Family 5: fragmentation, RFC 6455 §5.4.</summary>
internal static class FragmentationCases
{
    public static IReadOnlyList<Case> All()
    {
        var table = new Table(5);
        foreach (int opcode in new[] { 1, 2 })
        {
            Counts(table, opcode);
            Interleaved(table, opcode);
        }

        Wrong(table);
        Empty(table);
        return table.Lines;
    }

    private static void Counts(Table table, int opcode)
    {
        table.Group();
        string name = opcode == 1 ? "text" : "binary";
        foreach (int size in new[] { 2, 10, 125, 126, 1000, 65536 })
        {
            byte[] whole = opcode == 1 ? Bytes.Text(size) : Bytes.Binary(size);
            Frame echo = new(opcode, whole);
            foreach (int count in new[] { 2, 3, 7, 100 }.Where(count => count <= size))
            {
                Frame[] frames = Bytes.Fragments(opcode, Bytes.Split(whole, (size + count - 1) / count));
                table.Add("§5.4", $"{name} of {size} bytes in {frames.Length} fragments", c => c.Send(frames).Echo(echo));
                table.Add("§5.4", $"{name} of {size} bytes in {frames.Length} fragments, a write for each", c => c.Send(Cut.Frames, frames).Echo(echo));
                table.Add("§5.4", $"{name} of {size} bytes in {frames.Length} fragments, cut every 5", c => c.Send(Cut.EveryBytes(5), frames).Echo(echo).Strict(size > 200));
                table.Add("§5.4", $"{name} of {size} bytes in {frames.Length} fragments, twice", c => c.Send([.. frames, .. frames]).Echo(echo, echo));
            }
        }

        // Every place where one cut can be.
        table.Group();
        byte[] small = opcode == 1 ? "κόσμε 𝄞!"u8.ToArray() : Bytes.Binary(16);
        for (int at = 0; at <= small.Length; at++)
        {
            Frame[] frames = Bytes.Fragments(opcode, small[..at], small[at..]);
            table.Add("§5.4", $"{name} in two fragments, of {at} and {small.Length - at} bytes", c => c.Send(frames).Echo(new Frame(opcode, small)));
        }
    }

    private static void Interleaved(Table table, int opcode)
    {
        table.Group();
        byte[] ping = "p1"u8.ToArray(), other = "p2"u8.ToArray();
        byte[][] pieces = ["frag"u8.ToArray(), "ment"u8.ToArray(), "ed"u8.ToArray()];
        Frame[] f = Bytes.Fragments(opcode, pieces);
        Frame echo = new(opcode, "fragmented"u8.ToArray());
        foreach (Cut cut in new[] { Cut.None, Cut.Frames, Cut.Bytes })
        {
            table.Add("§5.4", $"a ping between fragments, {cut}", c => (c.Send(cut, f[0], Frame.Ping(ping), f[1], f[2]).Pong(ping).Echo(echo)) with { PongsLead = true });
            table.Add("§5.4", $"pings between all fragments, {cut}", c => (c.Send(cut, f[0], Frame.Ping(ping), f[1], Frame.Ping(other), f[2]).Pong(ping, other).Echo(echo)) with { PongsLead = true });
            table.Add("§5.4", $"a pong between fragments, {cut}", c => c.Send(cut, f[0], Frame.Pong(ping), f[1], f[2]).Echo(echo));
            table.Add("§5.4", $"ten pings between fragments, {cut}", c => (c.Send(cut, [f[0], .. Enumerable.Repeat(Frame.Ping(ping), 10), f[1], f[2]]).Pong([.. Enumerable.Repeat(ping, 10)]).Echo(echo)) with { PongsLead = true });
            table.Add("§5.4", $"a ping of 125 bytes between fragments, {cut}", c => (c.Send(cut, f[0], Frame.Ping(Bytes.Binary(125)), f[1], f[2]).Pong(Bytes.Binary(125)).Echo(echo)) with { PongsLead = true });
        }

        // A pong while the message is open shows that a control frame is handled before the message's end.
        table.Add("§5.4", "a ping between fragments is answered before the message ends", c => c.Send(f[0], Frame.Ping(ping)).Await(0, 1).Send(f[1], f[2]).Pong(ping).Echo(echo));
        table.Add("§5.4", "a ping behind each fragment, waited for", c => c.Send(f[0], Frame.Ping(ping)).Await(0, 1).Send(f[1], Frame.Ping(other)).Await(0, 2).Send(f[2]).Pong(ping, other).Echo(echo));
        table.Add("§5.5.1", "a close between fragments", c => c.Send(f[0], Frame.Close(1000)).Closes(1000));
        table.Add("§5.5.1", "a close between fragments, then the rest", c => c.Send(f[0], Frame.Close(1001), f[1], f[2]).Closes(1001));
    }

    private static void Wrong(Table table)
    {
        table.Group();
        Frame text = Frame.Text("text"), binary = Frame.Binary([1, 2]);
        foreach (Cut cut in new[] { Cut.None, Cut.Frames, Cut.Bytes })
        {
            foreach (int size in new[] { 0, 10 })
            {
                Frame lone = Frame.Continue(Bytes.Text(size));
                table.Add("§5.4", $"a last continuation of {size} bytes with nothing to continue, {cut}", c => c.Send(cut, lone).Fails(1002));
                table.Add("§5.4", $"a continuation of {size} bytes without FIN with nothing to continue, {cut}", c => c.Send(cut, lone.More).Fails(1002));
                table.Add("§5.4", $"a continuation of {size} bytes after a whole text, {cut}", c => c.Send(cut, text, lone).Echo(text).Fails(1002));
                table.Add("§5.4", $"a continuation of {size} bytes without FIN after a whole text, then a text, {cut}", c => c.Send(cut, text, lone.More, text).Echo(text).Fails(1002));
            }

            table.Add("§5.4", $"a continuation after a fragmented text, {cut}", c => c.Send(cut, [.. Bytes.Fragments(1, [97], [98]), Frame.Continue("c")]).Echo(Frame.Text("ab")).Fails(1002));
            table.Add("§5.4", $"a continuation after a ping, {cut}", c => c.Send(cut, Frame.Ping([1]), Frame.Continue("c")).Pong([1]).Fails(1002));
            foreach (Frame begun in new[] { text.More, binary.More })
            {
                foreach (Frame next in new[] { text, binary, text.More, binary.More })
                {
                    table.Add("§5.4", $"{begun} before the message ended, then {next}, {cut}", c => c.Send(cut, begun, next).Fails(1002));
                    table.Add("§5.4", $"{begun}, a continuation, then {next}, {cut}", c => c.Send(cut, begun, Frame.Continue("b").More, next).Fails(1002));
                    table.Add("§5.4", $"{begun}, a ping, then {next}, {cut}", c => c.Send(cut, begun, Frame.Ping([7]), next).Pong([7]).Fails(1002));
                }
            }
        }
    }

    private static void Empty(Table table)
    {
        foreach (int opcode in new[] { 1, 2 })
        {
            string name = opcode == 1 ? "text" : "binary";
            table.Group();
            foreach (Cut cut in new[] { Cut.None, Cut.Frames, Cut.Bytes })
            {
                table.Add("§5.4", $"{name} of three empty fragments, {cut}", c => c.Send(cut, Bytes.Fragments(opcode, [], [], [])).Echo(new Frame(opcode, [])));
                table.Add("§5.4", $"{name} of two empty fragments, {cut}", c => c.Send(cut, Bytes.Fragments(opcode, [], [])).Echo(new Frame(opcode, [])));
                table.Add("§5.4", $"{name} of an empty, a full and an empty fragment, {cut}", c => c.Send(cut, Bytes.Fragments(opcode, [], [65], [])).Echo(new Frame(opcode, [65])));
                table.Add("§5.4", $"{name} of a full, an empty and a full fragment, {cut}", c => c.Send(cut, Bytes.Fragments(opcode, [65], [], [66])).Echo(new Frame(opcode, [65, 66])));
                table.Add("§5.4", $"{name} of 1000 empty fragments, {cut}", c => c.Send(cut, Bytes.Fragments(opcode, [.. Enumerable.Repeat<byte[]>([], 1000)])).Echo(new Frame(opcode, [])).Strict(cut != Cut.None));
            }
        }
    }
}
