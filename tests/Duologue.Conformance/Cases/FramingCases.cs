using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Family 1: base framing, RFC 6455 §5.1 to §5.3 and §5.6: types, lengths, masks, and cuts anywhere.</summary>
internal static class FramingCases
{
    private static readonly int[] Sizes = [0, 1, 2, 125, 126, 127, 128, 65535, 65536];

    public static IReadOnlyList<Case> All()
    {
        var table = new Table(1);
        Sized(table);
        Cuts(table);
        Masks(table);
        Lengths(table);
        WrongMasks(table);
        Many(table);
        return table.Lines;
    }

    private static void Sized(Table table)
    {
        table.Group();
        foreach (int size in Sizes)
        {
            foreach (Frame frame in Both(size))
            {
                table.Add("§5.6", $"{Name(frame)} of {size} bytes", c => c.Send(frame).Echo(frame));
                table.Add("§5.6", $"{Name(frame)} of {size} bytes, twice in one write", c => c.Send(frame, frame).Echo(frame, frame));
            }
        }
    }

    private static void Cuts(Table table)
    {
        table.Group();
        foreach (int size in Sizes)
        {
            foreach (Frame frame in Both(size))
            {
                // To the byte where that is quick; the large ones in the strict run.
                table.Add("§5.2", $"{Name(frame)} of {size} bytes, cut to bytes", c => c.Send(Cut.Bytes, frame).Echo(frame).Strict(size > 128));
                foreach (int every in new[] { 2, 3, 7, 997, 4096 }.Where(every => every < size))
                {
                    table.Add("§5.2", $"{Name(frame)} of {size} bytes, cut every {every}", c => c.Send(Cut.EveryBytes(every), frame).Echo(frame).Strict(size / every > 100));
                }
            }
        }

        // Through the header, byte by byte, at each form of the length.
        table.Group();
        foreach (int size in new[] { 5, 126, 65536 })
        {
            for (int at = 1; at <= 14; at++)
            {
                Frame frame = Frame.Binary(Bytes.Binary(size));
                table.Add("§5.2", $"binary of {size} bytes, cut at {at}", c => c.Send(Cut.AtBytes(at), frame).Echo(frame));
            }
        }

        // Two frames, the cut wandering over the border between them.
        table.Group();
        Frame first = Frame.Text("first"), second = Frame.Text("second");
        for (int at = 1; at < 23; at++)
        {
            table.Add("§5.2", $"two texts in two writes, cut at {at}", c => c.Send(Cut.AtBytes(at), first, second).Echo(first, second));
        }
    }

    private static void Masks(Table table)
    {
        table.Group();
        foreach (Masking masking in new[] { Masking.ByRole, Masking.ZeroKey, Masking.OnesKey })
        {
            foreach (int size in new[] { 0, 1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 1000, 65536 })
            {
                Frame frame = Frame.Binary(Bytes.Binary(size)) with { Masking = masking };
                table.Add("§5.3", $"binary of {size} bytes, mask {masking}", c => c.Send(frame).Echo(frame).Only(Judged.Server));
            }

            // The mask's phase across cuts that are no multiple of four.
            Frame cut = Frame.Text(Bytes.Text(300)) with { Masking = masking };
            foreach (int every in new[] { 1, 3, 5, 7, 13 })
            {
                table.Add("§5.3", $"text of 300 bytes, mask {masking}, cut every {every}", c => c.Send(Cut.EveryBytes(every), cut).Echo(cut).Only(Judged.Server));
            }
        }

        // What a client sends is masked with keys that do not repeat; the player looks at them.
        Frame[] many = [.. Enumerable.Range(0, 32).Select(i => Frame.Text($"message {i}"))];
        table.Add("§5.3", "the keys of 32 messages", c => c.Send(many).Echo(many).Only(Judged.Client));
    }

    private static void Lengths(Table table)
    {
        // §5.2: "the minimal number of bytes MUST be used to encode the length", and the most significant bit is 0.
        table.Group();
        foreach (int opcode in new[] { 1, 2, 9, 10, 8 })
        {
            foreach ((LengthForm form, int size) in new[] { (LengthForm.Two, 0), (LengthForm.Two, 1), (LengthForm.Two, 125), (LengthForm.Eight, 0), (LengthForm.Eight, 125), (LengthForm.Eight, 126), (LengthForm.Eight, 65535) })
            {
                Frame frame = new Frame(opcode, opcode == 8 && size >= 2 ? [3, 232, .. Bytes.Text(size - 2)] : Bytes.Text(size)) { Form = form };
                Frame before = Frame.Text("before");
                table.Add("§5.2", $"{Name(frame)} of {size} bytes, its length in {(form == LengthForm.Two ? 2 : 8)} bytes", c => c.Send(before, frame).Echo(before).Fails(1002));
                table.Add("§5.2", $"{Name(frame)} of {size} bytes, its length in {(form == LengthForm.Two ? 2 : 8)} bytes, cut to bytes", c => c.Send(Cut.Bytes, before, frame).Echo(before).Fails(1002).Strict(size > 200));
            }
        }

        table.Group();
        foreach (ulong declared in new[] { 1UL << 63, ulong.MaxValue, (1UL << 63) + 5 })
        {
            foreach (int opcode in new[] { 1, 2 })
            {
                Frame frame = new Frame(opcode, [65]) { Form = LengthForm.Eight, Declared = declared };
                table.Add("§5.2", $"{Name(frame)}, the highest bit of its length set: {declared:X}", c => c.Send(frame).Fails(1002));
                table.Add("§5.2", $"{Name(frame)}, the highest bit of its length set: {declared:X}, cut to bytes", c => c.Send(Cut.Bytes, frame).Fails(1002));
            }
        }
    }

    private static void WrongMasks(Table table)
    {
        table.Group();
        Frame before = Frame.Text("before");
        foreach (int opcode in new[] { 1, 2, 8, 9, 10 })
        {
            foreach (int size in new[] { 0, 2, 125 })
            {
                Frame frame = new Frame(opcode, opcode == 8 && size > 0 ? [3, 232, .. Bytes.Text(size - 2)] : Bytes.Text(size)) { Masking = Masking.Wrong };
                table.Add("§5.1", $"{Name(frame)} of {size} bytes, unmasked by a client, masked by a server", c => c.Send(frame).Fails(1002));
                table.Add("§5.1", $"{Name(frame)} of {size} bytes, wrongly masked, after a text", c => c.Send(before, frame).Echo(before).Fails(1002));
                table.Add("§5.1", $"{Name(frame)} of {size} bytes, wrongly masked, cut to bytes", c => c.Send(Cut.Bytes, frame).Fails(1002));
            }
        }

        Frame[] fragments = Bytes.Fragments(1, "one"u8.ToArray(), "two"u8.ToArray());
        table.Add("§5.1", "a wrongly masked continuation", c => c.Send(fragments[0], fragments[1] with { Masking = Masking.Wrong }).Fails(1002));
    }

    private static void Many(Table table)
    {
        table.Group();
        foreach (int count in new[] { 10, 100, 1000 })
        {
            Frame[] texts = [.. Enumerable.Range(0, count).Select(i => Frame.Text($"number {i}"))];
            table.Add("§5.6", $"{count} texts in one write", c => c.Send(texts).Echo(texts));
            table.Add("§5.6", $"{count} texts, a write for each", c => c.Send(Cut.Frames, texts).Echo(texts));
            Frame[] mixed = [.. Enumerable.Range(0, count).Select(i => i % 2 == 0 ? Frame.Text($"number {i}") : Frame.Binary(Bytes.Binary(i % 200)))];
            table.Add("§5.6", $"{count} texts and binaries of changing sizes, cut every 11", c => c.Send(Cut.EveryBytes(11), mixed).Echo(mixed).Strict(count == 1000));
        }
    }

    private static Frame[] Both(int size) => [Frame.Text(Bytes.Text(size)), Frame.Binary(Bytes.Binary(size))];

    internal static string Name(Frame frame) => frame.Opcode switch { 0 => "continuation", 1 => "text", 2 => "binary", 8 => "close", 9 => "ping", 10 => "pong", var other => $"opcode {other}" };
}
