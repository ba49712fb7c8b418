using System.Diagnostics;
using System.Net.Sockets;
using Duologue.AspNetCore;
using Duologue.EventLoop.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.EventLoop.Tests.Detached;

/// <summary>
/// Random sizes, cuts, resets, half-closes and slow readers on many connections at once; every byte is checked, and at the end nothing is left. Seconds
/// by default; DUOLOGUE_STRESS_SECONDS and DUOLOGUE_STRESS_PEERS make it longer and wider.
/// </summary>
[Collection(Alone.Name)]
public class StressTests
{
    public static TheoryData<EventLoopBackend> Backends => LoopHost.Backends;

    [Theory]
    [MemberData(nameof(Backends))]
    public async Task Every_byte_comes_back_and_nothing_is_left(EventLoopBackend backend)
    {
        int seconds = Setting("DUOLOGUE_STRESS_SECONDS", 5);
        int peers = Setting("DUOLOGUE_STRESS_PEERS", 100);
        await using LoopHost host = await LoopHost.StartAsync(
            backend,
            app => app.MapDuologue<PatientEchoHandler>("/echo").WithOptions(echo => echo.MaxMessageSize = 4 * 1024 * 1024));
        int sockets = CountSockets();
        using var time = new CancellationTokenSource(TimeSpan.FromSeconds(seconds));
        long[] counts = await Task.WhenAll(Enumerable.Range(0, peers).Select(i => Task.Run(() => new Peer(host.Url, i).RunAsync(time.Token))));
        Assert.True(counts.Sum() > peers, $"Only {counts.Sum()} messages came back.");

        Connections connections = host.Services.GetRequiredService<Connections>();
        await Eventually.True(
            () => host.SocketCount == 0 && connections.Count == 0 && host.RentedBlocks == 0,
            () => $"Left: {host.SocketCount} sockets, {connections.Count} connections, {host.RentedBlocks} blocks.");
        await Eventually.True(() => CountSockets() <= sockets, () => $"{CountSockets()} sockets are open; {sockets} were at the start.");
        Assert.DoesNotContain(host.Log.GetSnapshot(), record => record.Level >= Microsoft.Extensions.Logging.LogLevel.Error);
    }

    // Sockets alone: the runtime opens files as it likes.
    private static int CountSockets() =>
        new DirectoryInfo("/proc/self/fd").GetFiles().Count(file => file.LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);

    private static int Setting(string name, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(name), out int value) ? value : fallback;

    /// <summary>One peer after the other, each with a mood of its own.</summary>
    private sealed class Peer(Uri url, int seed)
    {
        private readonly Random _random = new(seed);
        private long _echoed;

        public async Task<long> RunAsync(CancellationToken enough)
        {
            do
            {
                using RawPeer peer = await RawPeer.OpenAsync(url, "/echo");
                switch (_random.Next(6))
                {
                    case 0:
                        await EchoAsync(peer, _random.Next(1, 20), pipelined: false, slow: false);
                        await SendCutAsync(peer);
                        peer.Close(reset: true);
                        break;
                    case 1:
                        await EchoAsync(peer, _random.Next(1, 20), pipelined: true, slow: false);
                        await SendCutAsync(peer);
                        peer.Socket.Shutdown(SocketShutdown.Send);
                        await ReadToEndAsync(peer);
                        break;
                    case 2:
                        await EchoAsync(peer, _random.Next(1, 10), pipelined: true, slow: true);
                        await CloseAsync(peer);
                        break;
                    case 3:
                        // Gone while the answers are on their way.
                        byte[] frame = RawPeer.MaskedFrame(0x82, new byte[_random.Next(200_000)]);
                        await peer.SendAsync(frame);
                        peer.Close(_random.Next(2) == 0);
                        break;
                    default:
                        await EchoAsync(peer, _random.Next(1, 50), pipelined: _random.Next(2) == 0, slow: false);
                        await CloseAsync(peer);
                        break;
                }
            }
            while (!enough.IsCancellationRequested);

            return _echoed;
        }

        private async Task EchoAsync(RawPeer peer, int count, bool pipelined, bool slow)
        {
            byte[][] payloads = [.. Enumerable.Range(0, count).Select(_ => RandomPayload())];
            if (pipelined)
            {
                Task sending = SendAllAsync(peer, payloads);
                foreach (byte[] payload in payloads)
                {
                    await ExpectAsync(peer, payload, slow);
                }

                await sending;
                return;
            }

            foreach (byte[] payload in payloads)
            {
                await SendInPiecesAsync(peer, RawPeer.MaskedFrame(0x82, payload));
                await ExpectAsync(peer, payload, slow);
            }
        }

        private async Task ExpectAsync(RawPeer peer, byte[] payload, bool slow)
        {
            if (slow)
            {
                await Task.Delay(payload.Length % 20);
            }

            byte[] received = await peer.ReadMessageAsync(0x82);
            Assert.Equal(payload.Length, received.Length);
            Assert.Equal(payload.Length, payload.AsSpan().CommonPrefixLength(received));
            _echoed++;
        }

        private byte[] RandomPayload()
        {
            int size = _random.Next(10) switch
            {
                < 5 => _random.Next(130),
                < 8 => _random.Next(20_000),
                8 => _random.Next(70_000, 300_000),
                _ => _random.Next(1_500_000),
            };
            byte[] payload = new byte[size];
            _random.NextBytes(payload);
            return payload;
        }

        private async Task SendInPiecesAsync(RawPeer peer, ReadOnlyMemory<byte> bytes)
        {
            while (!bytes.IsEmpty)
            {
                int count = Math.Min(bytes.Length, _random.Next(3) == 0 ? _random.Next(1, 20) : _random.Next(1, 200_000));
                await peer.SendAsync(bytes[..count]);
                bytes = bytes[count..];
            }
        }

        private async Task SendAllAsync(RawPeer peer, byte[][] payloads)
        {
            foreach (byte[] payload in payloads)
            {
                await SendInPiecesAsync(peer, RawPeer.MaskedFrame(0x82, payload));
            }
        }

        private async Task SendCutAsync(RawPeer peer)
        {
            byte[] frame = RawPeer.MaskedFrame(0x82, RandomPayload());
            await SendInPiecesAsync(peer, frame.AsMemory(0, _random.Next(frame.Length)));
        }

        private static async Task CloseAsync(RawPeer peer)
        {
            await peer.SendAsync(RawPeer.MaskedFrame(0x88, [0x03, 0xE8]));
            (byte first, byte[] payload) = await peer.ReadFrameAsync();
            Assert.Equal(0x88, first);
            Assert.Equal([0x03, 0xE8], payload);
            await ReadToEndAsync(peer);
        }

        private static async Task ReadToEndAsync(RawPeer peer)
        {
            try
            {
                while (true)
                {
                    await peer.ReadFrameAsync();
                }
            }
            catch (Exception error) when (error is IOException or SocketException)
            {
                Debug.Assert(error is not null, "The end, by FIN or, where bytes were under way, by RST.");
            }
        }
    }
}
