using System.Net.WebSockets;
using System.Reflection;
using System.Security.Claims;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Protocol;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Registry;

public class ConnectionsTests
{
    [Fact]
    public async Task A_connection_is_found_by_its_id_until_it_has_closed()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");
        string id = await client.ReceiveTextAsync();

        Connection? found = host.Connections.Find(id);
        Assert.NotNull(found);
        Assert.Equal(id, found.Id);
        Assert.Same(found, Assert.Single(host.Connections));
        // The flush of the id may be ending just now: then it is Queued.
        Assert.NotEqual(SendResult.Dropped, host.Connections.Send(id, "hello"));
        Assert.Equal("hello", await client.ReceiveTextAsync());
        await client.CloseAsync();
        await found.Closed.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);

        Assert.Null(host.Connections.Find(id));
        Assert.Empty(host.Connections);
        Assert.Equal(SendResult.Dropped, host.Connections.Send(id, "too late"));
        Assert.False(host.Connections.Close(id, 1000, ""));
    }

    [Fact]
    public async Task A_user_is_reached_on_all_connections_and_nobody_else()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket ann1 = await host.ConnectAsync("/?user=ann");
        using ClientWebSocket ann2 = await host.ConnectAsync("/?user=ann");
        using ClientWebSocket bob = await host.ConnectAsync("/?user=bob");
        using ClientWebSocket nobody = await host.ConnectAsync("/");
        foreach (ClientWebSocket client in new[] { ann1, ann2, bob, nobody })
        {
            await client.ReceiveTextAsync();
        }

        Assert.Equal(4, host.Connections.Count);
        Assert.Equal(2, host.Connections.CountByUser("ann"));
        Assert.Equal(2, host.Connections.FindByUser("ann").Count);
        Assert.Equal(0, host.Connections.CountByUser("Ann"));
        Assert.Equal(new FanoutResult(2, 0), host.Connections.SendToUser("ann", "for ann"));
        Assert.Equal(new FanoutResult(1, 0), host.Connections.SendToUser("bob", "for bob"u8, MessageType.Text));
        Assert.Equal(new FanoutResult(0, 0), host.Connections.SendToUser("eve", "for eve"));
        Assert.Equal("for ann", await ann1.ReceiveTextAsync());
        Assert.Equal("for ann", await ann2.ReceiveTextAsync());
        Assert.Equal("for bob", await bob.ReceiveTextAsync());
        Assert.Equal(2, host.Connections.CloseByUser("ann", 4001, "signed out"));
        Assert.Equal("close 4001 signed out", await ann1.ReceiveTextAsync());
        Assert.Equal("close 4001 signed out", await ann2.ReceiveTextAsync());
        await ann1.CloseAsync();
        await ann2.CloseAsync();

        await Eventually.True(() => host.Connections.CountByUser("ann") == 0);
        Assert.Equal(2, host.Connections.Count);
    }

    [Fact]
    public async Task A_client_that_knows_itself_connected_is_found()
    {
        await using TestHost host = await StartAsync();
        List<ClientWebSocket> clients = [];

        for (int i = 1; i <= 50; i++)
        {
            clients.Add(await host.ConnectAsync("/"));
            Assert.Equal(i, host.Connections.Count);
        }

        clients.ForEach(client => client.Dispose());
    }

    [Fact]
    public async Task One_connection_is_closed_by_id()
    {
        await using TestHost host = await StartAsync();
        using ClientWebSocket client = await host.ConnectAsync("/");
        string id = await client.ReceiveTextAsync();

        Assert.True(host.Connections.Close(id, 4000, "enough"));

        Assert.Equal("close 4000 enough", await client.ReceiveTextAsync());
    }

    [Theory]
    [InlineData(999)]
    [InlineData(1005)]
    [InlineData(1006)]
    [InlineData(1010)]
    [InlineData(1015)]
    [InlineData(5000)]
    public async Task A_code_that_may_not_be_sent_is_an_error(int code)
    {
        await using TestHost host = await StartAsync();

        Assert.Throws<ArgumentOutOfRangeException>(() => host.Connections.Close("1", (ushort)code, ""));
        Assert.Throws<ArgumentOutOfRangeException>(() => host.Connections.CloseByUser("ann", (ushort)code, ""));
    }

    [Fact]
    public async Task A_reason_that_is_too_long_is_an_error()
    {
        await using TestHost host = await StartAsync();

        Assert.Throws<ArgumentException>(() => host.Connections.Close("1", 1000, new string('ü', 62)));
        Assert.False(host.Connections.Close("none", 1000, new string('ü', 61)));
    }

    [Fact]
    public async Task Text_that_is_not_UTF8_is_an_error_even_if_nobody_would_get_it()
    {
        await using TestHost host = await StartAsync();

        Assert.Throws<ArgumentException>(() => host.Connections.SendToUser("eve", [0xFF], MessageType.Text));
        Assert.Equal(new FanoutResult(0, 0), host.Connections.SendToUser("eve", [0xFF], MessageType.Binary));
    }

    [Fact]
    public async Task Coming_and_going_of_many_leaves_nothing()
    {
        await using TestHost host = await StartAsync();

        await Parallel.ForAsync(0, 100, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = TestContext.Current.CancellationToken }, async (i, _) =>
        {
            using ClientWebSocket client = await host.ConnectAsync($"/?user=u{i % 5}");
            await client.ReceiveTextAsync();
            if (i % 3 == 0)
            {
                client.Abort();
            }
            else
            {
                await client.CloseAsync();
            }
        });

        // Each is taken from its user when it is counted no more.
        await Eventually.True(() => host.Connections.Count == 0 && Enumerable.Range(0, 5).All(user => host.Connections.CountByUser($"u{user}") == 0));
        Assert.Empty(host.Connections);
    }

    [Fact]
    public void A_connection_that_ended_while_it_was_registered_stayed_with_its_user()
    {
        var connections = new Connections();
        var connection = new WebSocketConnection(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions() });
        var usersLock = (Lock)typeof(Connections).GetField("_usersLock", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(connections)!;
        var adding = new Thread(() => connections.Add(connection, "ann"));
        bool isFound;
        lock (usersLock)
        {
            adding.Start();
            Assert.True(SpinWait.SpinUntil(() => adding.ThreadState.HasFlag(ThreadState.WaitSleepJoin), TestHost.Patience));

            // Whoever finds it at this moment may end it.
            isFound = connections.Find(connection.Id) is not null;
            if (isFound)
            {
                connections.Remove(connection, "ann");
            }
        }

        Assert.True(adding.Join(TestHost.Patience));
        if (!isFound)
        {
            connections.Remove(connection, "ann");
        }

        Assert.Equal((0, 0), (connections.Count, connections.CountByUser("ann")));
    }

    // Says its id, then listens. The query names the user: a stand-in for authentication.
    private static Task<TestHost> StartAsync() => TestHost.StartAsync(app =>
    {
        app.Use((context, next) =>
        {
            if (context.Request.Query["user"] is [{ } user])
            {
                context.User = new ClaimsPrincipal(new ClaimsIdentity([new(ClaimTypes.NameIdentifier, user)], "test"));
            }

            return next(context);
        });
        app.UseRouting();
        app.MapDuologue("/", async connection =>
        {
            await connection.SendAsync(connection.Id);
            await Talks.Idle(connection);
        });
    });
}
