namespace Duologue.AspNetCore.Tests.Conversation;

public class ConnectionStateTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_connection_that_moved_while_it_ended_or_moved_was_taken_out_of_one_count_twice_and_stayed_in_another(bool ends)
    {
        const int Rounds = 20_000;
        int[] counts = new int[Enum.GetValues<Transport>().Length];
        using var both = new Barrier(2);
        ConnectionState state = Open();
        Task moving = Task.Run(
            () =>
            {
                for (int i = 0; i < Rounds; i++)
                {
                    both.SignalAndWait(TestContext.Current.CancellationToken);
                    Move(Transport.WebSocket);
                    both.SignalAndWait(TestContext.Current.CancellationToken);
                }
            },
            TestContext.Current.CancellationToken);
        for (int i = 0; i < Rounds; i++)
        {
            both.SignalAndWait(TestContext.Current.CancellationToken);
            if (ends)
            {
                Close();
            }
            else
            {
                Move(Transport.Polling);
            }

            both.SignalAndWait(TestContext.Current.CancellationToken);
            Close();
            Assert.Equal([0, 0, 0], counts);
            state = Open();
        }

        await moving;

        ConnectionState Open()
        {
            var opened = new ConnectionState(null, 0);
            Assert.True(opened.TryOpen(Transport.LongPolling));
            counts[(int)Transport.LongPolling]++;
            return opened;
        }

        void Move(Transport now)
        {
            if (state.TryMove(now, out Transport before))
            {
                Interlocked.Decrement(ref counts[(int)before]);
                Interlocked.Increment(ref counts[(int)now]);
            }
        }

        void Close()
        {
            if (state.Close(out Transport transport))
            {
                Interlocked.Decrement(ref counts[(int)transport]);
            }
        }
    }

    [Fact]
    public void A_connection_that_ended_before_it_was_open_counts_as_nothing()
    {
        var state = new ConnectionState(null, 0);

        Assert.False(state.Close(out _));
        Assert.False(state.TryOpen(Transport.LongPolling));
        Assert.False(state.TryMove(Transport.Polling, out _));
        Assert.False(state.Close(out _));
    }
}
