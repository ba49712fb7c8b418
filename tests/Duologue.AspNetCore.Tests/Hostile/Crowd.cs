using System.Globalization;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Hostile;

/// <summary>
/// Well-behaved clients that talk all the while: each tells all the others its numbers in order, and each checks that it misses none.
/// </summary>
internal sealed class Crowd : IAsyncDisposable
{
    private const string Path = "/crowd";
    private const string Topic = "crowd";

    // A pace, so that the crowd leaves the machine to those it is tested against.
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Member[] _members;
    private readonly Task _talking;
    private bool _stopped;

    private Crowd(Connection[] connections)
    {
        _members = [.. connections.Select((connection, index) => new Member(connection, index, connections.Length))];
        _talking = Task.WhenAll(_members.Select(member => member.TalkAsync(_stopping.Token)));
    }

    /// <summary>The least that any member has heard of any other.</summary>
    public int Heard => _members.Min(member => member.Heard);

    public static void Map(WebApplication app) => app.MapDuologue<Room>(Path);

    public static async Task<Crowd> StartAsync(TestHost host, int count)
    {
        var connections = new Connection[count];
        for (int i = 0; i < count; i++)
        {
            connections[i] = await Connection.ConnectAsync(host.WebSocketUrl(Path), TestContext.Current.CancellationToken);

            // An answer says that the subscription stands, so that nothing said from now on passes this member by.
            await connections[i].SendAsync("", TestContext.Current.CancellationToken);
            Assert.Equal("", (await connections[i].ReceiveAsync(TestContext.Current.CancellationToken)).Text);
        }

        return new Crowd(connections);
    }

    /// <summary>Waits until everybody has heard more of everybody than so far, so that what happened before had its chance to cost a message.</summary>
    public Task TalkOnAsync()
    {
        int heard = Heard;
        return Eventually.True(() => Heard > heard + 1 || _talking.IsCompleted);
    }

    /// <summary>Lets everybody finish the sentence and hear all that was said: until <see cref="Resume"/> the crowd is at rest.</summary>
    public Task PauseAsync()
    {
        foreach (Member member in _members)
        {
            member.Pause();
        }

        return Eventually.True(
            () => _talking.IsFaulted || _members.All(member => member.IsSilent && member.HeardOf.SequenceEqual(_members.Select(other => other.Said))),
            () => "The crowd does not come to rest.");
    }

    public void Resume()
    {
        foreach (Member member in _members)
        {
            member.Resume();
        }
    }

    /// <summary>Ends the talk; fails unless every member has heard every number of every other, in order.</summary>
    public async Task FinishAsync()
    {
        await TalkOnAsync();
        await StopAsync();
        int[] said = [.. _members.Select(member => member.Said)];
        Assert.All(_members, member => Assert.Equal(said, member.HeardOf));
        foreach (Member member in _members)
        {
            Assert.True((await member.Connection.CloseAsync(1000, "")).WasClean);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Member member in _members)
        {
            member.Connection.Abort();
        }

        if (!_stopped)
        {
            await _stopping.CancelAsync();
            await _talking.ContinueWith(_ => { }, TaskScheduler.Default);
        }

        _stopping.Dispose();
    }

    private async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _talking.WaitAsync(TestHost.Patience);
        _stopped = true;
    }

    private sealed class Member(Connection connection, int index, int count)
    {
        private volatile bool _pauses;
        private volatile bool _silent;

        /// <summary>Whether a pause has begun and nothing more is being said.</summary>
        public bool IsSilent => _silent;

        public void Pause() => _pauses = true;

        public void Resume() => _pauses = _silent = false;

        public Connection Connection => connection;

        /// <summary>How many numbers this member has told.</summary>
        public int Said { get; private set; }

        /// <summary>How many numbers this member has heard of each.</summary>
        public int[] HeardOf { get; } = new int[count];

        public int Heard => HeardOf.Min();

        public Task TalkAsync(CancellationToken stopping) => Task.WhenAll(SayAsync(stopping), HearAsync());

        private async Task SayAsync(CancellationToken stopping)
        {
            using var timer = new PeriodicTimer(Pace);
            try
            {
                while (await timer.WaitForNextTickAsync(stopping))
                {
                    if (_pauses)
                    {
                        _silent = true;
                        continue;
                    }

                    await connection.SendAsync(string.Create(CultureInfo.InvariantCulture, $"{index}:{Said}"), CancellationToken.None);
                    Said++;
                }
            }
            catch (OperationCanceledException) when (stopping.IsCancellationRequested)
            {
                // All is said: the last word tells the others so.
                await connection.SendAsync(string.Create(CultureInfo.InvariantCulture, $"{index}:end"), CancellationToken.None);
            }
        }

        private async Task HearAsync()
        {
            int talking = count;
            while (talking > 0)
            {
                string text = (await connection.ReceiveAsync()).Text;
                if (text.Length == 0)
                {
                    continue;
                }

                string[] parts = text.Split(':');
                int of = int.Parse(parts[0], CultureInfo.InvariantCulture);
                if (parts[1] == "end")
                {
                    talking--;
                    continue;
                }

                Assert.Equal(HeardOf[of], int.Parse(parts[1], CultureInfo.InvariantCulture));
                HeardOf[of]++;
            }
        }
    }

    private sealed class Room(Topics topics) : MessageHandler
    {
        public override ValueTask OnOpenAsync(Connection connection)
        {
            connection.Subscribe(Topic);
            return default;
        }

        public override ValueTask OnMessageAsync(Connection connection, Message message)
        {
            if (message.Data.IsEmpty)
            {
                connection.Send("");
            }
            else
            {
                topics.Publish(Topic, message.Data.Span, MessageType.Text);
            }

            return default;
        }
    }
}
