using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Family 8: limits and throughput, RFC 6455 §10.4 and §7.4.1 (1008, 1009): large messages whole, in fragments and in chops.</summary>
internal static class LimitCases
{
    private const int Kibi = 1024;
    private const int Mebi = 1024 * 1024;

    public static IReadOnlyList<Case> All()
    {
        var table = new Table(8);
        Volume(table);
        MessageSize(table);
        Fragments(table);
        Rates(table);
        return table.Lines;
    }

    private static void Volume(Table table)
    {
        foreach (int opcode in new[] { 1, 2 })
        {
            table.Group();
            string name = opcode == 1 ? "text" : "binary";
            foreach (int size in new[] { 64 * Kibi, 256 * Kibi, Mebi, 4 * Mebi, 8 * Mebi, 16 * Mebi })
            {
                byte[] Whole() => opcode == 1 ? Bytes.Text(size) : Bytes.Binary(size);
                bool large = size > Mebi;
                table.Add("§5.6", $"{name} of {size / Kibi} KiB in one frame", c => Large(c, size, large).SendLater(() => [new Frame(opcode, Whole())], Cut.None, () => new Frame(opcode, Whole())));
                foreach (int fragment in new[] { 64, 256, 1024, 4096, 16384, 65536, Mebi }.Where(fragment => fragment < size))
                {
                    bool strict = large || size / fragment > 1024;
                    table.Add("§5.4", $"{name} of {size / Kibi} KiB in fragments of {fragment}", c => Large(c, size, strict).SendLater(() => Bytes.Fragments(opcode, Bytes.Split(Whole(), fragment)), Cut.None, () => new Frame(opcode, Whole())));
                }

                foreach (int chop in new[] { 64, 128, 256, 512, 1024, 2048, 65536 }.Where(chop => chop < size))
                {
                    bool strict = large || size / chop > 1024;
                    table.Add("§5.6", $"{name} of {size / Kibi} KiB in chops of {chop}", c => Large(c, size, strict).SendLater(() => [new Frame(opcode, Whole())], Cut.EveryBytes(chop), () => new Frame(opcode, Whole())));
                }
            }
        }

        // Many messages, one behind the other.
        table.Group();
        foreach ((int count, int size) in new[] { (10000, 0), (10000, 16), (1000, 1024), (1000, 4096), (200, 65536) })
        {
            Frame[] frames = [.. Enumerable.Repeat(Frame.Binary(Bytes.Binary(size)), count)];
            table.Add("§5.6", $"{count} messages of {size} bytes without waiting", c => c.On(Profile.Roomy).Send(frames).Echo(frames).Strict(count > 1000) with { Heavy = true });
        }
    }

    private static Case Large(Case c, int size, bool strictOnly) => c.On(Profile.Roomy).Strict(strictOnly) with { Heavy = size >= Mebi };

    // MaxMessageSize is 1 MiB by default.
    private static void MessageSize(Table table)
    {
        table.Group();
        Frame before = Frame.Text("before");
        foreach (int opcode in new[] { 1, 2 })
        {
            var full = new Frame(opcode, Bytes.Repeat((byte)'x', Mebi));
            string name = opcode == 1 ? "text" : "binary";
            table.Add("§7.4.1", $"{name} of exactly 1 MiB, the limit", c => c.Send(full).Echo(full));
            table.Add("§7.4.1", $"{name} of exactly 1 MiB in fragments of 64 KiB", c => c.Send(Bytes.Fragments(opcode, Bytes.Split(full.Payload, 64 * Kibi))).Echo(full));
            table.Add("§7.4.1", $"{name} of 1 MiB and one byte", c => c.Send(before, new Frame(opcode, Bytes.Repeat((byte)'x', Mebi + 1))).Echo(before).Fails(1009));
            table.Add("§7.4.1", $"the header alone of a {name} of 1 MiB and one byte", c => c.Send(before, new Frame(opcode, []) { Declared = Mebi + 1 }).Echo(before).Fails(1009) with { Tail = Tail.End });
            foreach (int power in new[] { 31, 32, 40, 62 })
            {
                table.Add("§7.4.1", $"the header alone of a {name} of 2^{power} bytes", c => c.Send(before, new Frame(opcode, []) { Declared = 1UL << power }).Echo(before).Fails(1009));
                table.Add("§7.4.1", $"the header alone of a {name} of 2^{power} bytes, cut to bytes", c => c.Send(Cut.Bytes, before, new Frame(opcode, []) { Declared = 1UL << power }).Echo(before).Fails(1009));
            }

            table.Add("§7.4.1", $"the header alone of a {name} of 2^63 - 1 bytes", c => c.Send(before, new Frame(opcode, []) { Declared = long.MaxValue }).Echo(before).Fails(1009));
            table.Add("§7.4.1", $"a {name} that passes 1 MiB in its last fragment of one byte", c => c.Send(before).Send([.. Bytes.Fragments(opcode, Bytes.Split(full.Payload, 64 * Kibi)).Select(frame => frame.More), Frame.Continue("x")]).Echo(before).Fails(1009));
            table.Add("§7.4.1", $"a {name} that passes 1 MiB by the header of a continuation", c => c.Send(new Frame(opcode, Bytes.Repeat((byte)'x', 1000)).More, new Frame(0, []) { Declared = Mebi }).Fails(1009) with { Tail = Tail.End });
        }
    }

    // MaxFragments is 4,096 by default.
    private static void Fragments(Table table)
    {
        table.Group();
        foreach (int size in new[] { 0, 1 })
        {
            byte[] piece = Bytes.Repeat((byte)'x', size);
            Frame whole = Frame.Text(Bytes.Repeat((byte)'x', 4096 * size));
            table.Add("§10.4", $"4,096 fragments of {size} bytes, the limit", c => c.Send(Bytes.Fragments(1, [.. Enumerable.Repeat(piece, 4096)])).Echo(whole));
            table.Add("§10.4", $"4,097 fragments of {size} bytes", c => c.Send(Bytes.Fragments(1, [.. Enumerable.Repeat(piece, 4097)])).Fails(1008));
            table.Add("§10.4", $"fragments of {size} bytes without end", c => c.Send([Frame.Text(piece).More, .. Enumerable.Repeat(Frame.Continue(piece).More, 10000)]).Fails(1008));
        }
    }

    // MaxControlFramesPerSecond is 200 by default.
    private static void Rates(Table table)
    {
        table.Group();
        Frame before = Frame.Text("before");
        Frame[] pongs = [.. Enumerable.Repeat(Frame.Pong([]), 20000)];
        table.Add("§10.4", "20,000 pongs at once", c => c.Send([before, .. pongs]).Echo(before).Fails(1008));
        table.Add("§10.4", "20,000 pongs at once, where there is no limit", c => c.On(Profile.Roomy).Send([before, .. pongs]).Echo(before));
    }
}
