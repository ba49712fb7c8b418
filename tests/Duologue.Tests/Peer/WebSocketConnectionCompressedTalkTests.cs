using Duologue.Peer;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;
using Duologue.Tests.Protocol.Deflate;
using Duologue.Tests.Shared;

namespace Duologue.Tests.Peer;

/// <summary>Two peers that compress: each understands the other whatever they agreed, however they send, and on whatever threads.</summary>
public sealed class WebSocketConnectionCompressedTalkTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Two_peers_understand_each_other_whatever_they_agreed_and_however_they_send()
    {
        for (int seed = 0; seed < 60; seed++)
        {
            await RunConversationAsync(seed);
        }
    }

    [Fact]
    public async Task Others_that_send_while_a_handler_compresses_do_not_hold_up_what_it_sends()
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        var handler = new TestHandler
        {
            OnMessage = (connection, _) =>
            {
                var random = new Random(1);
                using var stop = new CancellationTokenSource();
                Task others = Task.Run(() =>
                {
                    while (!stop.IsCancellationRequested)
                    {
                        if (connection.BufferedAmount < 1000)
                        {
                            connection.Send("news");
                        }
                    }
                });
                bool all = true;
                for (int i = 0; i < 300; i++)
                {
                    // A handler that blocks: nobody but the others and itself can see to it that this leaves.
                    all &= connection.SendAsync(Reference.Sample(random, 3000, isText: true), MessageType.Binary).AsTask().Wait(TimeSpan.FromMinutes(1));
                }

                stop.Cancel();
                others.Wait();
                done.SetResult(all);
                return default;
            },
        };
        await using MemoryPair pair = MemoryPair.Create(
            new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { SendQueuePolicy = SendQueuePolicy.DropNewest }, Handler = handler, Deflate = Reference.Agreement(context: true) },
            new ConnectionSetup { Role = Role.Client, Options = new ConnectionOptions(), Deflate = Reference.Agreement(context: true) });
        await pair.Client.SendAsync("go", Token);
        int received = 0;
        while (received < 300)
        {
            received += (await pair.Client.ReceiveAsync(Token).Soon()).Type == MessageType.Binary ? 1 : 0;
        }

        Assert.True(await done.Task.Soon());
    }

    [Fact]
    public async Task Many_threads_may_send_at_once_over_one_context()
    {
        await using MemoryPair pair = MemoryPair.Create(
            new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { SendQueueLimit = 64 * 1024 * 1024 }, Deflate = Reference.Agreement(context: true) },
            new ConnectionSetup { Role = Role.Client, Options = new ConnectionOptions(), Deflate = Reference.Agreement(context: true) });
        const int Threads = 4;
        const int Each = 300;
        Task[] sending = [.. Enumerable.Range(0, Threads).Select(thread => Task.Run(
            async () =>
            {
                var random = new Random(thread);
                for (int i = 0; i < Each; i++)
                {
                    byte[] message = [(byte)thread, (byte)(i >> 8), (byte)i, .. Reference.Sample(random, random.Next(2000), isText: true)];
                    if (i % 3 == 0)
                    {
                        await pair.Server.SendAsync(message, MessageType.Binary, Token);
                    }
                    else if (i % 3 == 1)
                    {
                        pair.Server.SendFrame(new BroadcastFrame(Opcode.Binary, message, MessageFlags.None));
                    }
                    else
                    {
                        pair.Server.Send(message, MessageType.Binary);
                    }
                }
            },
            Token))];
        int[] next = new int[Threads];
        var counts = new Random[Threads];
        for (int thread = 0; thread < Threads; thread++)
        {
            counts[thread] = new Random(thread);
        }

        for (int i = 0; i < Threads * Each; i++)
        {
            byte[] message = (await pair.Client.ReceiveAsync(Token).Soon()).ToArray();
            int thread = message[0];
            Assert.Equal(next[thread]++, (message[1] << 8) | message[2]);
            Assert.Equal(Reference.Sample(counts[thread], counts[thread].Next(2000), isText: true), message[3..]);
        }

        await Task.WhenAll(sending).Soon();
    }

    private static async Task RunConversationAsync(int seed)
    {
        var random = new Random(seed);
        int threshold = random.Next(2) * 200;
        DeflateAgreement Direction(bool context, int bits, bool otherContext, int otherBits) => new()
        {
            SendsWithContext = context,
            SendWindowBits = bits,
            ReceivesWithContext = otherContext,
            ReceiveWindowBits = otherBits,
            Threshold = threshold,
        };
        (bool one, int oneBits, bool two, int twoBits) = (random.Next(2) == 0, random.Next(9, 16), random.Next(2) == 0, random.Next(9, 16));
        var options = new ConnectionOptions { SendQueueLimit = random.Next(2) == 0 ? 1024 * 1024 : 20_000, SendQueuePolicy = SendQueuePolicy.Close };
        await using MemoryPair pair = MemoryPair.Create(
            new ConnectionSetup { Role = Role.Server, Options = options, Deflate = Direction(one, oneBits, two, twoBits) },
            new ConnectionSetup { Role = Role.Client, Options = options, Deflate = Direction(two, twoBits, one, oneBits) });
        byte[][] messages = [.. Enumerable.Range(0, 40).Select(_ => Reference.Sample(random, random.Next(5) == 0 ? random.Next(60_000) : random.Next(1500), random.Next(4) != 0))];
        await Task.WhenAll(
            TalkAsync(pair.Server, pair.Client, messages, new Random(seed), isServer: true),
            TalkAsync(pair.Client, pair.Server, messages, new Random(seed + 1000), isServer: false)).Soon();
    }

    private static async Task TalkAsync(WebSocketConnection from, WebSocketConnection to, byte[][] messages, Random random, bool isServer)
    {
        Task sending = Task.Run(
            async () =>
            {
                foreach (byte[] message in messages)
                {
                    MessageFlags flags = random.Next(6) == 0 ? MessageFlags.DisableCompression : MessageFlags.None;
                    switch (random.Next(isServer ? 4 : 3))
                    {
                        case 0 when from.BufferedAmount + message.Length < 10_000:
                            Assert.NotEqual(SendResult.Dropped, from.Send(message, MessageType.Binary, flags));
                            break;
                        case 1:
                            await using (Stream stream = from.OpenWrite(MessageType.Binary, flags))
                            {
                                foreach (byte[] piece in message.Chunk(random.Next(1, 20_000)))
                                {
                                    await stream.WriteAsync(piece, Token);
                                    if (random.Next(2) == 0)
                                    {
                                        await stream.FlushAsync(Token);
                                    }
                                }
                            }

                            break;
                        case 3 when from.BufferedAmount + message.Length < 10_000:
                            Assert.NotEqual(SendResult.Dropped, from.SendFrame(new BroadcastFrame(Opcode.Binary, message, flags)));
                            break;
                        default:
                            await from.SendAsync(message, MessageType.Binary, flags, Token);
                            break;
                    }
                }
            },
            Token);
        foreach (byte[] message in messages)
        {
            Assert.Equal(message, (await to.ReceiveAsync(Token)).ToArray());
        }

        await sending;
    }
}
