using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Families 3 and 4: reserved bits and reserved opcodes, RFC 6455 §5.2.</summary>
internal static class ReservedCases
{
    private static readonly Frame Before = Frame.Text("before");
    private static readonly byte[] Ping = "never answered"u8.ToArray();

    public static IReadOnlyList<Case> Bits()
    {
        var table = new Table(3);
        foreach (int opcode in new[] { 1, 2, 8, 9, 10 })
        {
            table.Group();
            for (int rsv = 1; rsv <= 7; rsv++)
            {
                foreach (int size in new[] { 0, 20 })
                {
                    Frame frame = new Frame(opcode, opcode == 8 && size > 0 ? [3, 232, .. Cases.Bytes.Text(size - 2)] : Cases.Bytes.Text(size)) { Rsv = rsv };
                    Around(table, frame, $"reserved bits {rsv} on {FramingCases.Name(frame)} of {size} bytes");
                }
            }
        }

        // On frames of a fragmented message.
        table.Group();
        for (int rsv = 1; rsv <= 7; rsv++)
        {
            table.Add("§5.2", $"reserved bits {rsv} on the first fragment", c => c.Send(Frame.Text("a").More with { Rsv = rsv }, Frame.Continue("b")).Fails(1002));
            table.Add("§5.2", $"reserved bits {rsv} on a middle fragment", c => c.Send(Frame.Text("a").More, Frame.Continue("b").More with { Rsv = rsv }, Frame.Continue("c")).Fails(1002));
            table.Add("§5.2", $"reserved bits {rsv} on the last fragment", c => c.Send(Frame.Text("a").More, Frame.Continue("b") with { Rsv = rsv }).Fails(1002));
            table.Add("§5.2", $"reserved bits {rsv} on a ping inside a message", c => c.Send(Frame.Text("a").More, Frame.Ping("p") with { Rsv = rsv }, Frame.Continue("b")).Fails(1002));
        }

        return table.Lines;
    }

    public static IReadOnlyList<Case> Opcodes()
    {
        var table = new Table(4);
        foreach (int opcode in new[] { 3, 4, 5, 6, 7, 11, 12, 13, 14, 15 })
        {
            table.Group();
            foreach (int size in new[] { 0, 5, 125, 126, 65536 })
            {
                var frame = new Frame(opcode, Cases.Bytes.Text(size));
                Around(table, frame, $"opcode {opcode} with {size} bytes");
            }

            var small = new Frame(opcode, Cases.Bytes.Text(5));
            table.Add("§5.2", $"opcode {opcode} without FIN", c => c.Send(small.More).Fails(1002));
            table.Add("§5.2", $"opcode {opcode} without FIN, then a continuation", c => c.Send(small.More, Frame.Continue("more")).Fails(1002));
            table.Add("§5.2", $"opcode {opcode} inside a fragmented message", c => c.Send(Frame.Text("a").More, small, Frame.Continue("b")).Fails(1002));
            table.Add("§5.2", $"opcode {opcode} with all reserved bits", c => c.Send(small with { Rsv = 7 }).Fails(1002));
        }

        return table.Lines;
    }

    // Alone, after data, followed by what must not be answered any more, and cut.
    private static void Around(Table table, Frame frame, string title)
    {
        bool large = frame.Payload.Length > 1000;
        table.Add("§5.2", title, c => c.Send(frame).Fails(1002));
        table.Add("§5.2", title + ", after a text", c => c.Send(Before, frame).Echo(Before).Fails(1002));
        table.Add("§5.2", title + ", cut to bytes", c => c.Send(Cut.Bytes, frame).Fails(1002).Strict(large));
        if (frame.Opcode != 8)
        {
            table.Add("§5.2", title + ", after a text, followed by a ping", c => c.Send(Before, frame, Frame.Ping(Ping)).Echo(Before).Fails(1002));
            table.Add("§5.2", title + ", after a text, followed by a ping, a write for each", c => c.Send(Cut.Frames, Before, frame, Frame.Ping(Ping)).Echo(Before).Fails(1002));
            table.Add("§5.2", title + ", after a text, followed by a ping, cut to bytes", c => c.Send(Cut.Bytes, Before, frame, Frame.Ping(Ping)).Echo(Before).Fails(1002).Strict(frame.Payload.Length > 5));
            table.Add("§5.2", title + ", after a text, followed by a text", c => c.Send(Before, frame, Frame.Text("after")).Echo(Before).Fails(1002));
        }
    }
}
