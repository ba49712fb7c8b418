using Duologue.Protocol;

namespace Duologue.AspNetCore.Tests.Registry;

public class ConnectionTableTests
{
    [Fact]
    public void What_was_added_is_found_until_it_is_removed()
    {
        var table = new ConnectionTable();
        var random = new Random(7);
        List<WebSocketConnection> inside = [];
        List<WebSocketConnection> outside = [];
        for (int i = 0; i < 20_000; i++)
        {
            // Grows, shrinks, grows: places are taken, left, and taken by others.
            bool adds = i % 6_000 < 4_000 ? random.Next(10) < 8 : random.Next(10) < 1;
            if (adds || inside.Count == 0)
            {
                WebSocketConnection connection = Create();
                table.Add(connection);
                inside.Add(connection);
            }
            else
            {
                int at = random.Next(inside.Count);
                WebSocketConnection connection = inside[at];
                inside[at] = inside[^1];
                inside.RemoveAt(inside.Count - 1);
                Assert.True(table.Remove(connection));
                outside.Add(connection);
            }
        }

        Assert.All(inside, connection => Assert.Same(connection, table.Find(connection.Number)));
        Assert.All(outside, connection => Assert.Null(table.Find(connection.Number)));
        Assert.All(outside, connection => Assert.False(table.Remove(connection)));
        Assert.Equal(inside.Select(connection => connection.Number).Order(), table.Enumerate().Select(connection => connection.Number).Order());
    }

    [Fact]
    public void A_connection_is_added_once()
    {
        var table = new ConnectionTable();
        WebSocketConnection connection = Create();
        table.Add(connection);
        Assert.Throws<InvalidOperationException>(() => table.Add(connection));
        Assert.Single(table.Enumerate());
    }

    [Fact]
    public void Threads_do_not_get_into_each_others_way()
    {
        var table = new ConnectionTable();
        Parallel.For(0, 8, _ =>
        {
            WebSocketConnection[] own = [.. Enumerable.Range(0, 500).Select(_ => Create())];
            foreach (WebSocketConnection connection in own)
            {
                table.Add(connection);
            }

            foreach (WebSocketConnection connection in own)
            {
                Assert.Same(connection, table.Find(connection.Number));
                Assert.True(table.Remove(connection));
            }
        });
        Assert.Empty(table.Enumerate());
    }

    private static WebSocketConnection Create() => new(new ConnectionSetup { Role = Role.Server, Options = new ConnectionOptions() });
}
