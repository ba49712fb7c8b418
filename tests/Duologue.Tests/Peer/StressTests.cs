using Duologue.Protocol;
using Duologue.Tests.Shared;

namespace Duologue.Tests.Peer;

/// <summary>
/// Everything at once on few buffers: an array returned to the pool twice, or too early, shows as a message with foreign bytes.
/// </summary>
public sealed class StressTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_message_ever_holds_the_bytes_of_another() =>
        await Task.WhenAll(Enumerable.Range(0, 6).Select(seed => Task.Run(() => TalkAsync(seed), Token))).Soon();

    [Fact]
    public async Task Ends_at_any_moment_are_told_once_to_everyone()
    {
        var random = new Random(5);
        for (int round = 0; round < 200; round++)
        {
            var observed = new Observed();
            var handler = new TestHandler
            {
                OnMessage = async (connection, message) =>
                {
                    if (message.Data.Length % 2 == 0)
                    {
                        await Task.Yield();
                    }

                    connection.Send(message.Data.Span, message.Type);
                },
            };
            await using MemoryPair pair = MemoryPair.Create(
                new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions(), Handler = handler, Observer = observed },
                // The client never receives: half of this is how long it leaves a Close unanswered for that.
                new ConnectionSetup { Role = Role.Client, Options = new ConnectionOptions { CloseTimeout = TimeSpan.FromMilliseconds(100) } });
            Task sending = Task.Run(
                async () =>
                {
                    for (int i = 0; i < 50; i++)
                    {
                        try
                        {
                            await pair.Client.SendAsync(new byte[i * 37], MessageType.Binary, Token);
                        }
                        catch (ConnectionClosedException)
                        {
                            return;
                        }
                    }
                },
                Token);
            for (int spin = random.Next(400); spin > 0; spin--)
            {
                await Task.Yield();
            }

            switch (random.Next(4))
            {
                case 0:
                    pair.Client.Abort();
                    break;
                case 1:
                    pair.Server.Abort();
                    break;
                case 2:
                    _ = pair.Client.CloseAsync().AsTask();
                    break;
                default:
                    _ = pair.Server.CloseAsync().AsTask();
                    break;
            }

            await handler.Closed.Soon();
            await pair.Server.Closed.Soon();
            await pair.Client.Closed.Soon();
            await sending.Soon();
            Assert.False(handler.Overlapped);
            Assert.Equal(1, observed.Closings);
            Assert.Equal(0, observed.Dropped(DropReason.QueueFull));
        }
    }

    private static async Task TalkAsync(int seed)
    {
        for (int round = 0; round < 10; round++)
        {
            var random = new Random((seed * 1000) + round);
            var handler = new TestHandler { OnMessage = (connection, message) => EchoAsync(connection, message) };
            await using MemoryPair pair = MemoryPair.Create(
                new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions { SendQueueLimit = 50_000, SendQueuePolicy = SendQueuePolicy.Wait }, Handler = handler },
                new ConnectionSetup { Role = Role.Client, Options = new ConnectionOptions { SendQueueLimit = 50_000, CloseTimeout = TimeSpan.FromMinutes(1) } });
            const int Count = 150;
            Task sending = Task.Run(
                async () =>
                {
                    for (int i = 0; i < Count; i++)
                    {
                        byte[] message = new byte[4 + Size(i)];
                        message.AsSpan().Fill((byte)i);
                        BitConverter.TryWriteBytes(message, i);
                        await pair.Client.SendAsync(message, MessageType.Binary, Token);
                        if (i % 10 == 0)
                        {
                            _ = await pair.Client.PingAsync(Token);
                        }
                    }
                },
                Token);
            byte[] buffer = new byte[100_000];
            for (int i = 0; i < Count;)
            {
                using var cancel = new CancellationTokenSource();
                if (random.Next(4) == 0)
                {
                    cancel.CancelAfter(TimeSpan.FromTicks(random.Next(3000)));
                }

                try
                {
                    if (random.Next(3) == 0)
                    {
                        await using MessageStream? stream = await pair.Client.OpenReadAsync(cancel.Token);
                        int wanted = random.Next(2) == 0 ? Size(i) + 4 : 4;
                        await stream!.ReadExactlyAsync(buffer.AsMemory(0, wanted), Token);
                        Check(i, buffer.AsSpan(0, wanted));
                    }
                    else
                    {
                        Message message = await pair.Client.ReceiveAsync(cancel.Token);
                        Assert.Equal(Size(i) + 4, message.Data.Length);
                        await Task.Yield();
                        Check(i, message.Data.Span);
                    }

                    i++;
                }
                catch (OperationCanceledException)
                {
                    // Only the waiting was stopped.
                }
            }

            await sending;
            Assert.False(handler.Overlapped);
            if (round % 2 == 0)
            {
                Assert.True((await pair.Client.CloseAsync()).WasClean);
            }
        }
    }

    private static int Size(int i) => i % 7 == 0 ? 20_000 + (i * 97) : i * 13 % 500;

    private static void Check(int number, ReadOnlySpan<byte> data)
    {
        Assert.Equal(number, BitConverter.ToInt32(data));
        Assert.Equal(-1, data[4..].IndexOfAnyExcept((byte)number));
    }

    private static async ValueTask EchoAsync(Connection connection, Message message)
    {
        int number = BitConverter.ToInt32(message.Data.Span);
        if (number % 3 == 0)
        {
            await Task.Yield();
        }

        Check(number, message.Data.Span);
        if (number % 5 == 0)
        {
            await connection.SendAsync(message.Data, message.Type);
        }
        else if (connection.Send(message.Data.Span, message.Type) == SendResult.Dropped)
        {
            throw new InvalidOperationException("An answer was dropped.");
        }
    }
}
