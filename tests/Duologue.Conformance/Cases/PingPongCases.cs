using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Family 2: ping and pong, RFC 6455 §5.5, §5.5.2 and §5.5.3.</summary>
internal static class PingPongCases
{
    public static IReadOnlyList<Case> All()
    {
        var table = new Table(2);
        table.Group();
        for (int size = 0; size <= 125; size++)
        {
            byte[] payload = Bytes.Binary(size);
            bool edge = size is 0 or 1 or 64 or 124 or 125;
            table.Add("§5.5.2", $"a ping of {size} bytes", c => c.Send(Frame.Ping(payload)).Pong(payload));
            table.Add("§5.5.2", $"a ping of {size} bytes, cut to bytes", c => c.Send(Cut.Bytes, Frame.Ping(payload)).Pong(payload).Strict(!edge));
        }

        Oversized(table);
        Fragmented(table);
        UnsolicitedPongs(table);
        Bursts(table);
        BesideData(table);
        return table.Lines;
    }

    private static void Oversized(Table table)
    {
        table.Group();
        Frame before = Frame.Text("before");
        foreach (int opcode in new[] { 9, 10 })
        {
            foreach (int size in new[] { 126, 127, 128, 1000, 65535, 65536 })
            {
                Frame frame = new Frame(opcode, Bytes.Binary(size));
                string name = FramingCases.Name(frame);
                table.Add("§5.5", $"a {name} of {size} bytes", c => c.Send(frame).Fails(1002));
                table.Add("§5.5", $"a {name} of {size} bytes after a text", c => c.Send(before, frame).Echo(before).Fails(1002));
                table.Add("§5.5", $"a {name} of {size} bytes, cut every 9", c => c.Send(Cut.EveryBytes(9), frame).Fails(1002).Strict(size > 1000));

                // The header alone tells.
                Frame announced = new Frame(opcode, []) { Declared = (ulong)size };
                table.Add("§5.5", $"the header alone of a {name} of {size} bytes", c => c.Send(announced).Fails(1002));
            }
        }
    }

    private static void Fragmented(Table table)
    {
        table.Group();
        foreach (int opcode in new[] { 9, 10 })
        {
            foreach (int size in new[] { 0, 5, 125 })
            {
                Frame frame = new Frame(opcode, Bytes.Binary(size)) { Fin = false };
                string name = FramingCases.Name(frame);
                table.Add("§5.5", $"a {name} of {size} bytes without FIN", c => c.Send(frame).Fails(1002));
                table.Add("§5.5", $"a {name} of {size} bytes without FIN, then a continuation", c => c.Send(frame, Frame.Continue(Bytes.Binary(size))).Fails(1002));
                table.Add("§5.5", $"a {name} of {size} bytes without FIN, cut to bytes", c => c.Send(Cut.Bytes, frame).Fails(1002));
                table.Add("§5.5", $"a {name} of {size} bytes without FIN inside a message", c => c.Send(Frame.Text("a").More, frame, Frame.Continue("b")).Fails(1002));
            }
        }
    }

    private static void UnsolicitedPongs(Table table)
    {
        table.Group();
        foreach (int size in new[] { 0, 1, 64, 125 })
        {
            byte[] payload = Bytes.Binary(size);
            byte[] ping = "ping"u8.ToArray();
            Frame text = Frame.Text("text");
            table.Add("§5.5.3", $"an unsolicited pong of {size} bytes", c => c.Send(Frame.Pong(payload)));
            table.Add("§5.5.3", $"an unsolicited pong of {size} bytes, cut to bytes", c => c.Send(Cut.Bytes, Frame.Pong(payload)));
            table.Add("§5.5.3", $"an unsolicited pong of {size} bytes, then a ping", c => c.Send(Frame.Pong(payload), Frame.Ping(ping)).Pong(ping));
            table.Add("§5.5.3", $"an unsolicited pong of {size} bytes, then a text", c => c.Send(Frame.Pong(payload), text).Echo(text));
            table.Add("§5.5.3", $"a ping, then a pong of {size} bytes for another", c => c.Send(Frame.Ping(ping), Frame.Pong(payload)).Pong(ping));
        }
    }

    private static void Bursts(Table table)
    {
        table.Group();
        foreach (int count in new[] { 2, 10, 100 })
        {
            byte[][] payloads = [.. Enumerable.Range(0, count).Select(i => Bytes.Text(i % 126))];
            Frame[] pings = [.. payloads.Select(Frame.Ping)];
            table.Add("§5.5.3", $"{count} pings in one write", c => c.Send(pings).Pong(payloads));
            table.Add("§5.5.3", $"{count} pings, a write for each", c => c.Send(Cut.Frames, pings).Pong(payloads));
            table.Add("§5.5.3", $"{count} pings cut to bytes", c => c.Send(Cut.Bytes, pings).Pong(payloads).Strict(count > 10));
            table.Add("§5.5.3", $"{count} pings cut every 17", c => c.Send(Cut.EveryBytes(17), pings).Pong(payloads));
        }
    }

    private static void BesideData(Table table)
    {
        table.Group();
        byte[] ping = "ping"u8.ToArray();
        foreach (int size in new[] { 0, 5, 125, 1000, 70000 })
        {
            Frame text = Frame.Text(Bytes.Text(size));
            table.Add("§5.5.2", $"a ping before a text of {size} bytes", c => c.Send(Frame.Ping(ping), text).Pong(ping).Echo(text));
            table.Add("§5.5.2", $"a ping after a text of {size} bytes", c => c.Send(text, Frame.Ping(ping)).Pong(ping).Echo(text));
            table.Add("§5.5.2", $"a ping between two texts of {size} bytes", c => c.Send(text, Frame.Ping(ping), text).Pong(ping).Echo(text, text));
            table.Add("§5.5.2", $"a ping between two texts of {size} bytes, cut every 13", c => c.Send(Cut.EveryBytes(13), text, Frame.Ping(ping), text).Pong(ping).Echo(text, text).Strict(size > 1000));
        }

        // All byte values, as a ping's payload is no text.
        table.Group();
        for (int from = 0; from < 256; from += 64)
        {
            byte[] payload = [.. Enumerable.Range(from, 64).Select(i => (byte)i)];
            table.Add("§5.5.2", $"a ping with the bytes {from:X2} to {from + 63:X2}", c => c.Send(Frame.Ping(payload)).Pong(payload));
        }
    }
}
