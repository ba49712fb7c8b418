using System.Globalization;
using System.IO.Compression;
using System.Text;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Deflate;

/// <summary>Family 10: permessage-deflate, RFC 7692: every combination of parameters, every form of the data, every violation.</summary>
internal static class DeflateCases
{
    public static readonly int[] Sizes = [16, 64, 256, 1024, 4096, 16384, 65536, 131072];

    private static readonly int?[] Bits = [null, 8, 9, 10, 11, 12, 13, 14, 15];
    private static readonly Profile[] Profiles = [Profile.Dedicated15, Profile.Shared, Profile.Dedicated12, Profile.Dedicated9];
    private static readonly byte[] Hello = "Hello"u8.ToArray();

    public static IReadOnlyList<Case> All()
    {
        var table = new Table(10);
        Offers(table);
        Answers(table);
        Declined(table);
        Forms(table);
        Cuts(table);
        Violations(table);
        return table.Lines;
    }

    /// <summary>Every combination that a client may offer, to a server in each of its modes.</summary>
    public static IEnumerable<string> AllOffers()
    {
        foreach (string flags in new[] { "", "; server_no_context_takeover", "; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover" })
        {
            foreach (int? server in Bits)
            {
                // Absent, without a value, and with each value.
                foreach (int? client in new int?[] { null, 0 }.Concat(Bits.Skip(1)))
                {
                    yield return "permessage-deflate" + flags + Parameter("server_max_window_bits", server) + Parameter("client_max_window_bits", client);
                }
            }
        }
    }

    /// <summary>Every combination that a server may answer to what a client in this mode offers.</summary>
    public static IEnumerable<string> AllAnswers(Profile profile)
    {
        foreach (string flags in new[] { "", "; server_no_context_takeover", "; client_no_context_takeover", "; server_no_context_takeover; client_no_context_takeover" })
        {
            if (profile == Profile.Shared && !flags.Contains("server_no", StringComparison.Ordinal))
            {
                continue;
            }

            // RFC 7692 §7.1.2.1: the server's own window, also unasked; not above what a client asked for.
            int most = profile switch { Profile.Dedicated12 => 12, Profile.Dedicated9 => 9, _ => 15 };
            foreach (int? server in Bits.Where(bits => bits is null || bits <= most))
            {
                foreach (int? client in Bits)
                {
                    yield return "permessage-deflate" + flags + Parameter("server_max_window_bits", server) + Parameter("client_max_window_bits", client);
                }
            }
        }
    }

    private static string Parameter(string name, int? value) => value switch
    {
        null => "",
        0 => $"; {name}",
        _ => string.Create(CultureInfo.InvariantCulture, $"; {name}={value}"),
    };

    private static void Offers(Table table)
    {
        foreach (Profile profile in Profiles)
        {
            table.Group();
            int number = 0;
            foreach (string offer in AllOffers())
            {
                // A server may decline a window that it cannot do (RFC 7692 §7.1.2.1).
                bool tiny = offer.Contains("server_max_window_bits=8", StringComparison.Ordinal);
                bool quick = profile == Profile.Dedicated15 || number++ % 6 == 0;
                table.Add("RFC 7692 §7.1", $"{profile}: {offer}", c => Conversation(c, offer, 12, number).On(profile).Only(Judged.Server).Strict(!quick) with { MayDecline = tiny });
            }
        }
    }

    private static void Answers(Table table)
    {
        foreach (Profile profile in Profiles)
        {
            table.Group();
            int number = 0;
            foreach (string answer in AllAnswers(profile))
            {
                bool quick = profile == Profile.Dedicated15 || number++ % 6 == 0;
                table.Add("RFC 7692 §7.1", $"{profile}: {answer}", c => Conversation(c, answer, 12, number).On(profile).Only(Judged.Client).Strict(!quick));
            }
        }
    }

    /// <summary>Messages of changing kinds and sizes, compressed with all that the terms allow.</summary>
    public static Case Conversation(Case c, string extensions, int count, int seed) => c with
    {
        Extensions = extensions,
        Compressed = (@case, terms) =>
        {
            var sender = new CompressingSender(terms);
            byte[][] payloads = [.. Enumerable.Range(0, count).Select(i => Document(Sizes[(seed + i) % 5], seed + (i % 3)))];
            return @case.Send(Cut.EveryBytes(4096), [.. payloads.Select((payload, i) => i % 5 == 3 ? Frame.Text(payload) : sender.Message(1, payload))]).Echo([.. payloads.Select(Frame.Text)]);
        },
    };

    /// <summary>JSON that compresses well, and all the better with what came before.</summary>
    public static byte[] Document(int size, int seed)
    {
        var text = new StringBuilder(size + 64);
        var random = new Random(seed);
        while (text.Length < size)
        {
            text.Append(CultureInfo.InvariantCulture, $"{{\"id\":{random.Next(100000)},\"name\":\"user-{random.Next(50)}\",\"text\":\"{Convert.ToHexString(BitConverter.GetBytes(random.Next()))}\",\"ok\":true}},");
        }

        return Encoding.UTF8.GetBytes(text.ToString(0, size));
    }

    // RFC 7692 §5.1, §7.1: what is no permessage-deflate is declined, and the next offer counts.
    private static void Declined(Table table)
    {
        table.Group();
        foreach (string wrong in new[]
        {
            "permessage-deflate; unknown", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover=true", "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=015", "permessage-deflate; server_max_window_bits=abc",
            "permessage-deflate; client_max_window_bits=16", "permessage-deflate; client_max_window_bits=7", "permessage-deflate; client_max_window_bits=08",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=12", "permessage-bzip2", "x-webkit-deflate-frame",
        })
        {
            table.Add("RFC 7692 §7", $"{wrong}, then a good offer", c => Conversation(c, $"{wrong}, permessage-deflate", 4, 1).On(Profile.Dedicated15).Only(Judged.Server));
            table.Add("RFC 7692 §7", $"{wrong} alone: uncompressed", c => c.Send(Frame.Text(Hello)).Echo(Frame.Text(Hello)).On(Profile.Dedicated15).Only(Judged.Server) with { Extensions = wrong, MayDecline = true, MustDecline = true });
        }

        table.Add("RFC 7692 §5.1", "two good offers: one is taken", c => Conversation(c, "permessage-deflate; client_no_context_takeover, permessage-deflate", 4, 2).On(Profile.Dedicated15).Only(Judged.Server));
        table.Add("RFC 7692 §7.1.2", "a quoted value", c => Conversation(c, "permessage-deflate; server_max_window_bits=\"10\"", 4, 3).On(Profile.Dedicated15).Only(Judged.Server));
        table.Add("RFC 7692 §5", "an offer to a server that does not compress", c => c.Send(Frame.Text(Hello)).Echo(Frame.Text(Hello)).Only(Judged.Server) with { Extensions = "permessage-deflate", MayDecline = true, MustDecline = true });
        table.Add("RFC 6455 §5.2", "RSV1 where the offer was declined", c => c.Send(Frame.Text(Hello) with { Rsv = 4 }).Fails(1002).Only(Judged.Server) with { Extensions = "permessage-deflate", MayDecline = true, MustDecline = true });
    }

    // The examples of RFC 7692 §7.2.3 and all that deflate can say.
    private static void Forms(Table table)
    {
        table.Group();
        Add("§7.2.3.1", "Hello with a fixed code", [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]);
        Add("§7.2.3.3", "Hello in a stored block", [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00]);
        Add("§7.2.3.4", "Hello in a block with BFINAL", [0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]);
        Add("§7.2.3.5", "Hello in two blocks", [0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00]);
        Add("§7.2.3.6", "nothing", [0x00], []);
        Add("§7.2.3.6", "nothing, in an empty block with a fixed code", [0x02, 0x00], []);
        Add("§7.2.3.5", "Hello between empty blocks", [0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00]);
        table.Add("RFC 7692 §7.2.3.2", "Hello, and Hello again out of the window", c => Deflated(c).Send(Data([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]), Data([0xF2, 0x00, 0x11, 0x00, 0x00])).Echo(Frame.Text(Hello), Frame.Text(Hello)));
        table.Add("RFC 7692 §7.2.3.4", "Hello with BFINAL, then Hello anew", c => Deflated(c).Send(Data([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00]), Data([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])).Echo(Frame.Text(Hello), Frame.Text(Hello)));
        table.Add("RFC 7692 §6", "uncompressed messages between compressed ones", c => Deflated(c).Send(Frame.Text("plain"), Data([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]), Frame.Binary([1, 2]), Data([0xF2, 0x00, 0x11, 0x00, 0x00])).Echo(Frame.Text("plain"), Frame.Text(Hello), Frame.Binary([1, 2]), Frame.Text(Hello)));

        table.Group();
        foreach (int size in new[] { 0, 1, 16, 125, 126, 1024, 65535, 65536, 500_000 })
        {
            foreach (int opcode in new[] { 1, 2 })
            {
                byte[] document = Document(size, size);
                byte[] noise = Bytes.Binary(size);
                table.Add("RFC 7692 §7.2.1", $"opcode {opcode}, {size} bytes of JSON, the judge's deflate", c => Deflated(c) with { Compressed = (@case, terms) => @case.Send(new CompressingSender(terms).Message(opcode, document)).Echo(new Frame(opcode, document)) });
                table.Add("RFC 7692 §7.2.1", $"opcode {opcode}, {size} bytes of JSON, dynamic codes", c => Deflated(c).Send(new Frame(opcode, WithDynamicCodes(document)) { Rsv = 4 }).Echo(new Frame(opcode, document)));
                if (opcode == 2)
                {
                    table.Add("RFC 7692 §7.2.1", $"{size} bytes of noise, the judge's deflate", c => Deflated(c) with { Compressed = (@case, terms) => @case.Send(new CompressingSender(terms).Message(2, noise)).Echo(Frame.Binary(noise)) });
                }

                table.Add("RFC 7692 §6", $"opcode {opcode}, {size} bytes, and the answer compressed", c => Deflated(c).Send(new Frame(opcode, document)).Echo(new Frame(opcode, document)) with { MustCompress = size >= 1024 });
            }
        }

        void Add(string section, string title, byte[] compressed, byte[]? message = null) =>
            table.Add("RFC 7692 " + section, title, c => Deflated(c).Send(Data(compressed)).Echo(Frame.Text(message ?? Hello)));
    }

    // Compressed, fragmented, interleaved and cut, all together. Only the first frame has RSV1 (RFC 7692 §6.1).
    private static void Cuts(Table table)
    {
        byte[] document = Document(600, 5);
        table.Group();
        foreach (int fragment in new[] { 1, 2, 3, 10, 100 })
        {
            foreach (Cut cut in new[] { Cut.None, Cut.Frames, Cut.Bytes })
            {
                table.Add("RFC 7692 §6.1", $"fragments of {fragment}, {cut}", c => Fragmented(c, document, fragment, cut, ping: false));
                table.Add("RFC 7692 §6.1", $"fragments of {fragment}, a ping between, {cut}", c => Fragmented(c, document, fragment, cut, ping: true));
            }
        }

        byte[] hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
        table.Group();
        for (int at = 0; at <= hello.Length; at++)
        {
            table.Add("RFC 7692 §7.2.3.1", $"Hello in two fragments, of {at} and {hello.Length - at} bytes", c => Deflated(c).Send(Data(hello[..at]).More, Frame.Continue(hello[at..])).Echo(Frame.Text(Hello)));
            table.Add("RFC 7692 §7.2.3.1", $"Hello in three fragments, of {at}, 0 and {hello.Length - at} bytes", c => Deflated(c).Send(Data(hello[..at]).More, Frame.Continue([]).More, Frame.Continue(hello[at..])).Echo(Frame.Text(Hello)));
        }
    }

    private static Case Fragmented(Case c, byte[] document, int fragment, Cut cut, bool ping) => Deflated(c) with
    {
        Compressed = (@case, terms) =>
        {
            // The fragments of one message under 64 bytes each are counted by a limit of its own: few messages, then.
            var sender = new CompressingSender(terms);
            Frame[] frames = [.. Bytes.Fragments(1, Bytes.Split(sender.Message(1, document).Payload, fragment))];
            frames[0] = frames[0] with { Rsv = 4 };
            Frame[] again = [.. Bytes.Fragments(1, Bytes.Split(sender.Message(1, document).Payload, fragment))];
            again[0] = again[0] with { Rsv = 4 };
            return ping && frames.Length > 1
                ? (@case.Send(cut, [frames[0], Frame.Ping([7]), .. frames[1..], .. again]).Pong([7]).Echo(Frame.Text(document), Frame.Text(document))) with { PongsLead = true }
                : @case.Send(cut, [.. frames, .. again]).Echo(Frame.Text(document), Frame.Text(document));
        },
    };

    private static void Violations(Table table)
    {
        byte[] hello = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00];
        Frame before = Data(hello);
        Frame echoed = Frame.Text(Hello);
        table.Group();
        foreach (Cut cut in new[] { Cut.None, Cut.Bytes })
        {
            table.Add("RFC 7692 §6.1", $"RSV1 on a continuation, {cut}", c => Deflated(c).Send(cut, before, Data(hello[..3]).More, Frame.Continue(hello[3..]) with { Rsv = 4 }).Echo(echoed).Fails(1002));
            table.Add("RFC 7692 §6.1", $"RSV1 on a continuation only, {cut}", c => Deflated(c).Send(cut, before, Frame.Text("a").More, Frame.Continue(hello) with { Rsv = 4 }).Echo(echoed).Fails(1002));
            foreach (int opcode in new[] { 8, 9, 10 })
            {
                table.Add("RFC 7692 §6.1", $"RSV1 on a {FramingCases.Name(new Frame(opcode, []))}, {cut}", c => Deflated(c).Send(cut, before, new Frame(opcode, opcode == 8 ? [3, 232] : [1]) { Rsv = 4 }).Echo(echoed).Fails(1002));
            }

            foreach (int rsv in new[] { 1, 2, 3, 5, 6, 7 })
            {
                table.Add("RFC 6455 §5.2", $"reserved bits {rsv}, {cut}", c => Deflated(c).Send(cut, before, Frame.Text(hello) with { Rsv = rsv }).Echo(echoed).Fails(1002));
            }

            // No RFC names a code for data that is no deflate; both are in use.
            foreach ((string title, byte[] data) in new (string, byte[])[]
            {
                ("a block of the reserved type", [0x06, 0x00]), ("a stored block with a wrong length", [0x00, 0x05, 0x00, 0x00, 0x00, 0x48]), ("a cut stored block", [0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48]),
                ("a distance before the beginning", [0xF2, 0x00, 0x71, 0x00, 0x00]), ("random bytes", [0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0xFA]), ("a dynamic block cut in its tables", [0x04, 0xC0]),
            })
            {
                table.Add("RFC 7692 §7.2.2", $"{title}, {cut}", c => Deflated(c).Send(cut, before, Data(data)).Echo(echoed).Fails(1007) with { OtherCode = 1002 });
            }
        }

        // What is inflated is judged as any text, while it arrives.
        table.Group();
        foreach (byte[] bad in new byte[][] { [0xC3, 0x28], [0xFF], [0xED, 0xA0, 0x80], [0x61, 0xC3] })
        {
            byte[] text = [.. "ok "u8, .. bad];
            table.Add("RFC 6455 §8.1", $"a compressed text with {Convert.ToHexString(bad)}", c => Deflated(c) with { Compressed = (@case, terms) => @case.Send(new CompressingSender(terms).Message(1, text)).Fails(1007) });
            table.Add("RFC 6455 §8.1", $"a compressed binary with {Convert.ToHexString(bad)}", c => Deflated(c) with { Compressed = (@case, terms) => @case.Send(new CompressingSender(terms).Message(2, text)).Echo(Frame.Binary(text)) });
        }

        // A context that was given up and is referred to all the same.
        foreach (Judged judged in new[] { Judged.Server, Judged.Client })
        {
            string terms = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
            table.Add("RFC 7692 §7.1.1", "a reference to a context that was not to be taken over", c => c.On(Profile.Dedicated15).Only(judged).Send(before, Data([0xF2, 0x00, 0x11, 0x00, 0x00])).Echo(echoed).Fails(1007) with { Extensions = terms, OtherCode = 1002 });
        }

        // A limit of 1 MiB holds for what comes out, at once when it is passed (1 GiB in 1 MiB).
        table.Group();
        foreach (int opcode in new[] { 1, 2 })
        {
            table.Add("RFC 7692 §8", $"opcode {opcode}: 1 MiB in 1 KiB, the limit", c => Deflated(c).SendLater(() => [Data(Zeros(1024 * 1024), opcode)], Cut.None, () => new Frame(opcode, new byte[1024 * 1024])));
            table.Add("RFC 7692 §8", $"opcode {opcode}: 1 MiB and one byte in 1 KiB", c => (Deflated(c) with { Later = @case => @case.Send(Data(Zeros((1024 * 1024) + 1), opcode)) }).Fails(1009));
            table.Add("RFC 7692 §8", $"opcode {opcode}: 256 MiB in 256 KiB", c => (Deflated(c) with { Heavy = true, Later = @case => @case.Send(Data(Zeros(256 * 1024 * 1024), opcode)) }).Fails(1009));
            table.Add("RFC 7692 §8", $"opcode {opcode}: a frame that never ends, 2 MiB in its first 2 KiB", c => (Deflated(c) with { Later = @case => @case.Send(Data(Zeros(2 * 1024 * 1024), opcode) with { Declared = 500_000 }) }).Fails(1009));
        }
    }

    private static Case Deflated(Case c) => c.On(Profile.Dedicated15) with { Extensions = "permessage-deflate" };

    private static Frame Data(byte[] compressed, int opcode) => new(opcode, compressed) { Rsv = 4 };

    private static Frame Data(byte[] compressed) => Data(compressed, 1);

    // zlib, for the dynamic codes that the judge's deflate does not make: a sync flush less its last four bytes.
    private static byte[] WithDynamicCodes(byte[] message)
    {
        var output = new MemoryStream();
        using (var deflate = new DeflateStream(output, CompressionLevel.Optimal, leaveOpen: true))
        {
            deflate.Write(message);
            deflate.Flush();
            return message.Length == 0 ? [0x00] : output.ToArray()[..^4];
        }
    }

    private static byte[] Zeros(int count)
    {
        var output = new MemoryStream();
        using (var deflate = new DeflateStream(output, CompressionLevel.Optimal, leaveOpen: true))
        {
            byte[] zeros = new byte[Math.Min(count, 1024 * 1024)];
            for (int left = count; left > 0; left -= zeros.Length)
            {
                deflate.Write(zeros, 0, Math.Min(left, zeros.Length));
            }

            deflate.Flush();
            return output.ToArray()[..^4];
        }
    }
}

/// <summary>Compresses as the terms allow the hostile peer.</summary>
internal sealed class CompressingSender(DeflateTerms terms)
{
    private readonly Deflater _deflater = terms.CreateDeflater();

    public Frame Message(int opcode, byte[] payload)
    {
        if (terms.OutboundNoTakeover)
        {
            _deflater.Reset();
        }

        return new Frame(opcode, _deflater.Compress(payload)) { Rsv = 4 };
    }
}
