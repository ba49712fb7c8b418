using System.Text;
using CsCheck;
using Duologue.Client.Sessions;
using Duologue.EngineIo;
using Duologue.Protocol;
using Duologue.Tests.Peer;

namespace Duologue.Tests.EngineIo;

/// <summary>Whatever is said in payloads of polling is heard, however they are cut; and whatever bytes come, they are packets or an error.</summary>
public sealed class PayloadPropertyTests
{
    private static readonly string[] Texts = ["", "\u001e", "a\u001eb", "\u001e\u001e", "4", "b", "1", "🍵"];
    private static readonly string[] Parts = ["0", "1", "2", "3", "4", "5", "6", "b", "bAQ", "b=", "bA", "\u001e", "\u001e", "é", "=", "x"];

    private static readonly Gen<(MessageType Type, byte[] Data)> SomeMessage = Gen.OneOf(
        Gen.String[0, 30].Select(text => (MessageType.Text, Encoding.UTF8.GetBytes(text))),
        Gen.Int[0, 7].Select(i => (MessageType.Text, Encoding.UTF8.GetBytes(Texts[i]))),
        Gen.Byte.Array[0, 40].Select(data => (MessageType.Binary, data)));

    // Bytes as a hostile or broken peer has them: mostly such as mean something.
    private static readonly Gen<byte[]> SomeBytes = Gen.Frequency(
        (3, Gen.Int[0, 15].Select(i => Parts[i]).Array[0, 20].Select(parts => Encoding.UTF8.GetBytes(string.Concat(parts)))),
        (1, Gen.Byte.Array[0, 60]));

    [Fact]
    public async Task What_a_server_says_a_client_hears_however_it_is_cut() =>
        await Gen.Select(SomeMessage.Array[0, 12], Gen.Int[1, 120], Gen.Int).SampleAsync(
            async (messages, limit, seed) =>
            {
                List<byte[]> payloads = Encode(messages, limit);
                var heard = new Hearing(Role.Client);
                var random = new Random(seed);
                foreach (byte[] payload in payloads)
                {
                    Assert.Equal(PacketKind.Taken, await ReadAsync(payload, random, heard.Carrier, long.MaxValue));
                }

                Same(messages, await heard.ReceiveAsync(messages.Length));
            },
            iter: 300,
            threads: 1);

    [Fact]
    public async Task What_a_client_says_a_server_hears() =>
        await Gen.Select(SomeMessage.Array[0, 12], Gen.Int[1, 120]).SampleAsync(
            async (messages, limit) =>
            {
                var heard = new Hearing(Role.Server);
                foreach (byte[] payload in Encode(messages, limit))
                {
                    foreach (byte[] packet in Split(payload))
                    {
                        Assert.Equal(PacketKind.Taken, PacketReader.BringToServer(packet, heard.Carrier));
                    }

                    await heard.Carrier.DispatchAsync().Soon();
                }

                Same(messages, await heard.ReceiveAsync(messages.Length));
            },
            iter: 300,
            threads: 1);

    [Fact]
    public async Task Any_bytes_are_packets_or_an_error() =>
        await Gen.Select(SomeBytes, Gen.Int, Gen.Int[0, 40], Gen.Bool).SampleAsync(
            async (payload, seed, longest, isServer) =>
            {
                var heard = new Hearing(isServer ? Role.Server : Role.Client);
                if (isServer)
                {
                    int taken = 0;
                    foreach (byte[] packet in Split(payload))
                    {
                        if (PacketReader.BringToServer(packet, heard.Carrier) != PacketKind.Taken)
                        {
                            break;
                        }

                        taken++;
                    }

                    Assert.InRange(taken, 0, payload.Length + 1);
                }
                else
                {
                    await ReadAsync(payload, new Random(seed), heard.Carrier, longest);
                }

                // What is no UTF-8 is found here, and ends the conversation.
                await heard.Carrier.DispatchAsync().Soon();
                heard.Carrier.Lose();
                await heard.Connection.Closed.Soon();
            },
            iter: 1000,
            threads: 1);

    // As a transport does: so many packets in each payload as there is room for.
    private static List<byte[]> Encode((MessageType Type, byte[] Data)[] messages, int limit)
    {
        var payloads = new List<byte[]>();
        var body = new FrameBuffer();
        var payload = new PolledPayload(body, limit);
        foreach ((MessageType type, byte[] data) in messages)
        {
            if (!payload.Message(type, data))
            {
                payloads.Add(body.Span.ToArray());
                body.Release();
                Assert.True(payload.Message(type, data), "A payload that is empty takes every packet.");
            }
        }

        if (body.Length > 0)
        {
            payloads.Add(body.Span.ToArray());
        }

        body.Release();

        // A packet that is alone may be longer.
        Assert.All(payloads, bytes => Assert.True(bytes.Length <= limit || !bytes.Contains(PacketReader.Separator), $"{bytes.Length} bytes, where {limit} are allowed."));
        return payloads;
    }

    private static List<byte[]> Split(byte[] payload)
    {
        var packets = new List<byte[]>();
        int start = 0;
        for (int i = 0; i <= payload.Length; i++)
        {
            if (i == payload.Length || payload[i] == PacketReader.Separator)
            {
                packets.Add(payload[start..i]);
                start = i + 1;
            }
        }

        return packets;
    }

    private static async Task<PacketKind> ReadAsync(byte[] payload, Random random, SessionCarrier carrier, long longest)
    {
        var reader = new PayloadReader(new CutStream(payload, random), longest);
        PacketKind kind = PacketKind.Taken;
        int packets = 0;
        bool more = true;
        while (more && kind == PacketKind.Taken)
        {
            Assert.True(++packets <= payload.Length + 1, "There are more packets than bytes.");
            more = await reader.ReadAsync(TestContext.Current.CancellationToken).Soon();
            Assert.True(longest == long.MaxValue || reader.IsTooLong == reader.Packet.Length > longest, "A packet is too long, or is not.");
            kind = reader.IsTooLong ? PacketKind.Invalid : PacketReader.BringToClient(reader.Packet, carrier);
        }

        reader.Release();
        await carrier.DispatchAsync().Soon();
        return kind;
    }

    // A text with a separator in it arrives as binary, with the same bytes (docs/sessions.md).
    private static void Same((MessageType Type, byte[] Data)[] said, List<(MessageType Type, byte[] Data)> heard) => Assert.Equal(
        said.Select(message => (message.Data.Contains(PacketReader.Separator) ? MessageType.Binary : message.Type, Convert.ToHexString(message.Data))),
        heard.Select(message => (message.Type, Convert.ToHexString(message.Data))));

    private sealed class Hearing
    {
        public Hearing(Role role)
        {
            Connection = new WebSocketConnection(new ConnectionSetup
            {
                Role = role,
                IsSession = true,
                Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
            });
            Carrier = new SessionCarrier(Connection, new Nowhere(), TimeSpan.FromHours(1), TimeSpan.FromHours(1));
            Carrier.Start();
        }

        public WebSocketConnection Connection { get; }

        public SessionCarrier Carrier { get; }

        public async Task<List<(MessageType Type, byte[] Data)>> ReceiveAsync(int count)
        {
            var messages = new List<(MessageType Type, byte[] Data)>();
            for (int i = 0; i < count; i++)
            {
                Message message = await Connection.ReceiveAsync(TestContext.Current.CancellationToken).Soon();
                messages.Add((message.Type, message.ToArray()));
            }

            Carrier.Lose();
            await Connection.Closed.Soon();
            return messages;
        }
    }

    private sealed class Nowhere : SessionTransport
    {
        public override Transport Kind => Transport.LongPolling;

        public override void OnPackets()
        {
        }

        public override void OnEnd(bool aborted)
        {
        }
    }

    /// <summary>Gives as many bytes at a time as chance has it.</summary>
    private sealed class CutStream(byte[] bytes, Random random) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..random.Next(1, Math.Min(buffer.Length, 20) + 1)], cancellationToken);
    }
}
