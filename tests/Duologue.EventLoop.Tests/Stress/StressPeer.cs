using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Duologue.EventLoop.Tests.Support;

namespace Duologue.EventLoop.Tests.Stress;

/// <summary>One conversation after the other, each of another kind. All that it does follows from its seed, but for how the kernel cuts it.</summary>
internal sealed class StressPeer(Uri url, int seed, Tally tally)
{
    public const int MaxSize = 1024 * 1024;

    /// <summary>How long a conversation may take, however slow the machine is.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly Random _random = new(seed);

    public async Task RunAsync(CancellationToken enough)
    {
        do
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            patience.CancelAfter(Patience);
            int kind = _random.Next(10);
            try
            {
                await TalkAsync(kind, enough, patience.Token);
            }
            catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
            {
                Assert.Fail($"A conversation of kind {kind} of the peer with seed {seed} did not end.");
            }

            tally.AddConversation();
        }
        while (!enough.IsCancellationRequested);
    }

    private async Task TalkAsync(int kind, CancellationToken enough, CancellationToken token)
    {
        if (kind == 0)
        {
            await VanishInHandshakeAsync(token);
            return;
        }

        string path = kind == 1 ? StressNews.Path : _random.Next(3) == 0 ? "/pool" : "/echo";
        using StressWire wire = await StressWire.OpenAsync(url, path, _random.Next(), tally, token);
        switch (kind)
        {
            case 1:
                await HearNewsAsync(wire, enough);
                break;
            case 2:
                await EchoAsync(wire, _random.Next(1, 20), pipelined: false);
                await wire.SendCutAsync(Payload(0));
                wire.Close(reset: true);
                break;
            case 3:
                await EchoAsync(wire, _random.Next(1, 20), pipelined: true);
                await wire.SendCutAsync(Payload(0));
                wire.Socket.Shutdown(SocketShutdown.Send);
                await wire.ReadToEndAsync();
                break;
            case 4:
                wire.IsSlow = true;
                await EchoAsync(wire, _random.Next(1, 10), pipelined: true);
                await wire.CloseAsync();
                break;
            case 5:
                // Gone while the answers are on their way.
                await wire.SendAsync(Payload(0));
                wire.Close(_random.Next(2) == 0);
                break;
            case 6:
                // Says all it has and ends its direction, without a Close.
                await EchoAsync(wire, _random.Next(1, 5), pipelined: true);
                await wire.SendAsync(Payload(0));
                wire.Socket.Shutdown(SocketShutdown.Send);
                await wire.ReadToEndAsync();
                break;
            default:
                await EchoAsync(wire, _random.Next(1, 50), pipelined: _random.Next(2) == 0);
                await wire.CloseAsync();
                break;
        }
    }

    private async Task VanishInHandshakeAsync(CancellationToken token)
    {
        using StressWire wire = await StressWire.ConnectAsync(url, _random.Next(), tally, token);
        byte[] request = Encoding.ASCII.GetBytes(RawPeer.Handshake("/echo"));
        await wire.WriteAsync(request.AsMemory(0, _random.Next(request.Length + 1)));
        wire.Close(_random.Next(2) == 0);
    }

    private async Task EchoAsync(StressWire wire, int count, bool pipelined)
    {
        int first = _random.Next(int.MaxValue / 2);
        int[] sizes = [.. Enumerable.Range(0, count).Select(_ => Size())];
        if (pipelined)
        {
            Task sending = SendAllAsync();
            for (int i = 0; i < count; i++)
            {
                await wire.ExpectAsync(StressBytes.Of(first + i, sizes[i]));
            }

            await sending;
            return;
        }

        for (int i = 0; i < count; i++)
        {
            await wire.SendAsync(StressBytes.Of(first + i, sizes[i]));
            await wire.ExpectAsync(StressBytes.Of(first + i, sizes[i]));
        }

        async Task SendAllAsync()
        {
            for (int i = 0; i < count; i++)
            {
                await wire.SendAsync(StressBytes.Of(first + i, sizes[i]));
            }
        }
    }

    private async Task HearNewsAsync(StressWire wire, CancellationToken enough)
    {
        wire.IsSlow = _random.Next(4) == 0;
        int count = _random.Next(1, 200);
        int? next = null;
        for (int i = 0; i < count && !enough.IsCancellationRequested; i++)
        {
            byte[] message = await wire.ReadMessageAsync();
            if (message.Length == 0)
            {
                break;
            }

            int number = BinaryPrimitives.ReadInt32LittleEndian(message);
            int size = BinaryPrimitives.ReadInt32LittleEndian(message.AsSpan(4));
            Assert.Equal(next ?? number, number);
            Assert.Equal(StressNews.Head + size, message.Length);
            Assert.True(StressBytes.Of(number, size).Span.SequenceEqual(message.AsSpan(StressNews.Head)), $"News {number} of {size} bytes arrived changed.");
            next = number + 1;
            tally.AddNews(message.Length);
        }

        wire.IsSlow = false;
        if (_random.Next(2) == 0)
        {
            await wire.CloseAsync();
        }
        else
        {
            wire.Close(_random.Next(2) == 0);
        }
    }

    private ReadOnlyMemory<byte> Payload(int least) => StressBytes.Of(_random.Next(), Math.Max(least, Size()));

    private int Size() => _random.Next(20) switch
    {
        < 10 => _random.Next(130),
        < 16 => _random.Next(20_000),
        < 19 => _random.Next(300_000),
        _ => _random.Next(MaxSize + 1),
    };
}
