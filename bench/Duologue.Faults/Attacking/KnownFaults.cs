using System.IO.Compression;
using System.Text;

namespace Duologue.Faults;

/// <summary>Every kind of bad peer there is here.</summary>
internal static class KnownFaults
{
    private const byte Text = 0x01;
    private const byte Continuation = 0x00;
    private const byte Binary = 0x02;
    private const byte Compressed = 0x40;
    private const byte Close = 0x88;
    private const byte Ping = 0x89;
    private const byte Pong = 0x8A;
    private const byte Final = 0x80;

    // Small enough that what a peer does not read waits in the server soon.
    private const int SmallWindow = 4096;

    private static readonly Lazy<byte[]> Bomb = new(MakeBomb);

    public static IReadOnlyList<Fault> All(Plan plan) =>
    [
        new("silent-tcp", "connects and says nothing", "the end, after Kestrel's `KeepAliveTimeout`",
            plan.Tries(1_000), plan.Tries(1_000), SayNothingAsync),
        new("slow-request", "sends its request a byte at a time", "408, after Kestrel's `RequestHeadersTimeout`",
            plan.Tries(500), plan.Tries(500), RequestSlowlyAsync),
        new("silent", "opens, then neither speaks nor answers a ping", "the end; `keep_alive_timeout`",
            plan.Tries(1_000), plan.Tries(1_000), NeverPongAsync),
        new("slow-message", "sends a message a byte at a time", "1008; `limit_exceeded` (`MessageTimeout`)",
            plan.Tries(500), plan.Tries(500), SpeakSlowlyAsync),
        new("zero-window", "reads nothing of much that it is sent", "the end; `send_queue_full`",
            plan.Tries(200), plan.Tries(200), ReadNothingAsync),
        new("deaf", "reads nothing, and goes on talking", "the end; `send_timeout`",
            plan.Tries(200), plan.Tries(200), TalkDeafAsync),
        new("vanish", "vanishes without a FIN", "nothing any more; `keep_alive_timeout`",
            plan.Tries(500), plan.Tries(500), VanishAsync),
        new("reset", "resets within a frame", "nothing any more; `connection_lost`",
            plan.Tries(10_000), 100, ResetAsync),
        new("storm", "opens and closes, in a storm", "its Close answered; `peer_closed`",
            plan.Tries(20_000), 200, OpenAndCloseAsync),
        new("flood-handshakes", "does so from one address", "429 above the rate; `address_rate`",
            plan.Tries(5_000), 100, FloodHandshakesAsync),
        new("crowd-in", "opens more from one address than may be", "503 above the limit; `address_limit`",
            plan.ConnectionsPerAddress + plan.Tries(500), 10, CrowdInAsync),
        new("ping-flood", "floods with pings", "1008; `limit_exceeded` (`MaxControlFramesPerSecond`)",
            plan.Tries(5_000), 50, attacker => FloodAsync(attacker, [], RawPeer.Repeat(RawPeer.Frame(Ping, []), 5_000))),
        new("empty-fragments", "floods with fragments of no bytes", "1008; `limit_exceeded` (`MaxFragments`)",
            plan.Tries(5_000), 50, attacker => FloodAsync(attacker, RawPeer.Frame(Text, []), RawPeer.Repeat(RawPeer.Frame(Continuation, []), 5_000))),
        new("one-byte-fragments", "floods with messages of many one-byte fragments", "1008; `limit_exceeded` (`MaxSmallFragmentsPerSecond`)",
            plan.Tries(5_000), 50, attacker => FloodAsync(attacker, [], RawPeer.Repeat(OneByteFragments(1_000), 6))),
        new("message-flood", "floods with messages of one byte", "1008; `limit_exceeded` (`MaxMessagesPerSecond`)",
            plan.Tries(5_000), 50, attacker => FloodAsync(attacker, [], RawPeer.Repeat(RawPeer.Frame(Text | Final, "x"u8), 3 * plan.MessagesPerSecond))),
        new("never-pause", "talks as fast as it can, and breaks no limit", "its Close answered; `peer_closed`",
            plan.Tries(50), plan.Tries(50), TalkWithoutPauseAsync),
        new("oversized", "announces a frame of a tebibyte", "1009; `message_too_big`",
            plan.Tries(5_000), 50, attacker => ViolateAsync(attacker, RawPeer.Frame(0x82, [1, 2, 3], 1L << 40), 1009, "close:message_too_big")),
        new("bomb", "sends 64 KiB that inflate to 64 MiB", "1009; `message_too_big`, before more than the limit is inflated",
            plan.Tries(2_000), 50, ExplodeAsync),
        new("garbage", "sends what are no frames", "1002; `protocol_violation`",
            plan.Tries(5_000), 50, attacker => ViolateAsync(attacker, "GET / HTTP/1.1\r\n\r\n"u8.ToArray(), 1002, "close:protocol_violation")),
        new("bad-text", "sends text that is no UTF-8", "1007; `protocol_violation`",
            plan.Tries(5_000), 50, attacker => ViolateAsync(attacker, RawPeer.Frame(Text | Final, [0x61, 0xC3, 0x28]), 1007, "close:protocol_violation")),
    ];

    private static async Task<string[]> SayNothingAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.ConnectAsync();
        Attacker.Expect(0, await peer.HearToEndAsync(), "bytes before the end:");
        return ["tcp:keep_alive_timeout"];
    }

    private static async Task<string[]> RequestSlowlyAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.ConnectAsync();
        Task<int> status = peer.HearStatusAsync();
        byte[] request = Encoding.ASCII.GetBytes("GET /victim HTTP/1.1\r\nX-Slow: " + new string('x', 1_000));
        for (int i = 0; i < request.Length && !status.IsCompleted; i++)
        {
            await peer.FloodAsync(request.AsMemory(i, 1));
            await Task.WhenAny(status, Task.Delay(attacker.Plan.Silence / 10));
        }

        Attacker.Expect(408, await status, "status");
        return ["tcp:request_headers_timeout"];
    }

    private static async Task<string[]> NeverPongAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Victim);
        Attacker.Expect(1006, await peer.HearCloseAsync(), "close code");
        return ["close:keep_alive_timeout"];
    }

    private static async Task<string[]> SpeakSlowlyAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Victim);
        Task<int> close = peer.HearCloseAsync();
        await peer.SayAsync(RawPeer.Frame(0x82, [], 100_000));
        while (!close.IsCompleted)
        {
            await peer.FloodAsync(new byte[1]);
            await Task.WhenAny(close, Task.Delay(attacker.Plan.Stall / 10));
        }

        Attacker.Expect(1008, await close, "close code");
        return ["close:limit_exceeded"];
    }

    private static async Task<string[]> ReadNothingAsync(Attacker attacker)
    {
        attacker.Keep(await attacker.OpenAsync(FaultServer.Hose, SmallWindow));
        return ["close:send_queue_full"];
    }

    private static async Task<string[]> TalkDeafAsync(Attacker attacker)
    {
        RawPeer peer = attacker.Keep(await attacker.OpenAsync(FaultServer.Story, SmallWindow));
        long end = Environment.TickCount64 + (long)(attacker.Plan.Stall * 3).TotalMilliseconds;
        while (Environment.TickCount64 < end)
        {
            await peer.FloodAsync(RawPeer.Frame(Pong, []));
            await Task.Delay(attacker.Plan.Silence / 10);
        }

        // What it says no more cannot matter: the send timeout is less than half of this.
        return ["close:send_timeout"];
    }

    private static async Task<string[]> VanishAsync(Attacker attacker)
    {
        BlackHole hole = attacker.Keep(BlackHole.Open(attacker.Server, attacker.Address));
        RawPeer peer = attacker.Keep(await RawPeer.ConnectAsync(hole.Url, attacker.Address, 0, attacker.Plan.Patience));
        Attacker.Expect(101, await peer.HandshakeAsync(FaultServer.Victim, ""), "status");
        await peer.SayAsync(RawPeer.Frame(Text | Final, "half a word"u8));
        await hole.VanishAsync();
        return ["close:keep_alive_timeout"];
    }

    private static async Task<string[]> ResetAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Victim);
        await peer.SayAsync(RawPeer.Frame(0x82, new byte[5_000], 20_000));
        peer.Reset();
        return ["close:connection_lost"];
    }

    private static async Task<string[]> OpenAndCloseAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Victim);
        return await CloseAsync(peer);
    }

    private static async Task<string[]> CloseAsync(RawPeer peer)
    {
        await peer.SayAsync(RawPeer.Frame(Close, [0x03, 0xE8]));
        Attacker.Expect(1000, await peer.HearCloseAsync(), "close code");
        return ["close:peer_closed"];
    }

    private static async Task<string[]> FloodHandshakesAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.ConnectAsync(attacker.SharedAddress, 0);
        switch (await peer.HandshakeAsync(FaultServer.Victim, ""))
        {
            case 429:
                return ["handshake:address_rate"];
            case 101:
                return await CloseAsync(peer);
            case var other:
                throw new UnexpectedException($"status {other} instead of 101 or 429");
        }
    }

    private static async Task<string[]> CrowdInAsync(Attacker attacker)
    {
        // Those who come too fast are told so, and come again.
        for (List<string> counted = []; ; counted.Add("handshake:address_rate"))
        {
            RawPeer peer = await attacker.ConnectAsync(attacker.SharedAddress, 0);
            switch (await peer.HandshakeAsync(FaultServer.Victim, ""))
            {
                case 429:
                    peer.Dispose();
                    await Task.Delay(TimeSpan.FromMilliseconds(100));
                    continue;
                case 503:
                    peer.Dispose();
                    return [.. counted, "handshake:address_limit"];
                case 101:
                    // Stays, and does not answer pings, until that ends it: longer than it takes to try.
                    attacker.Keep(peer);
                    return [.. counted, "close:keep_alive_timeout"];
                case var other:
                    peer.Dispose();
                    throw new UnexpectedException($"status {other} instead of 101, 429 or 503");
            }
        }
    }

    private static async Task<string[]> TalkWithoutPauseAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Sink);
        Task<int> close = peer.HearCloseAsync();
        byte[] many = RawPeer.Repeat(RawPeer.Frame(Text | Final, "0"u8), 500);
        long end = Environment.TickCount64 + (long)attacker.Plan.Stall.TotalMilliseconds;
        while (Environment.TickCount64 < end)
        {
            await peer.SayAsync(many);

            // It is the server that it keeps busy, and not the crowd beside it in this process.
            await Task.Yield();
        }

        await peer.SayAsync(RawPeer.Frame(Close, [0x03, 0xE8]));
        Attacker.Expect(1000, await close, "close code");
        return ["close:peer_closed"];
    }

    private static async Task<string[]> ExplodeAsync(Attacker attacker)
    {
        using RawPeer peer = await attacker.ConnectAsync();
        Attacker.Expect(101, await peer.HandshakeAsync(FaultServer.Compressed, "permessage-deflate"), "status");
        Task<int> close = peer.HearCloseAsync();
        await peer.FloodAsync(Bomb.Value);
        Attacker.Expect(1009, await close, "close code");
        return ["close:message_too_big"];
    }

    private static byte[] MakeBomb()
    {
        using var deflated = new MemoryStream();
        using (var deflate = new DeflateStream(deflated, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            deflate.Write(new byte[64 * 1024 * 1024]);

            // RFC 7692 §7.2.1: a message ends with an empty block, of which the last four bytes stay away.
            deflate.Flush();
            deflated.SetLength(deflated.Length - 4);
            return RawPeer.Frame(Binary | Final | Compressed, deflated.ToArray());
        }
    }

    private static byte[] OneByteFragments(int count) =>
    [
        .. RawPeer.Frame(Text, "x"u8),
        .. RawPeer.Repeat(RawPeer.Frame(Continuation, "x"u8), count - 2),
        .. RawPeer.Frame(Continuation | Final, "x"u8),
    ];

    private static Task<string[]> FloodAsync(Attacker attacker, byte[] first, byte[] then) =>
        ViolateAsync(attacker, [.. first, .. then], 1008, "close:limit_exceeded");

    private static async Task<string[]> ViolateAsync(Attacker attacker, byte[] said, int code, string counted)
    {
        using RawPeer peer = await attacker.OpenAsync(FaultServer.Victim);
        Task<int> close = peer.HearCloseAsync();
        await peer.FloodAsync(said);
        Attacker.Expect(code, await close, "close code");
        return [counted];
    }
}
