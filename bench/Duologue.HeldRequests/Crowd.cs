using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Duologue.HeldRequests;

/// <summary>Clients on raw sockets, which wait for news: in one way, or by turns in several.</summary>
internal sealed class Crowd(int port, string[] ways) : IAsyncDisposable
{
    private const string Topic = "/topics/news";
    private const string Bare = "/bare";

    private readonly List<(Socket Socket, string Way)> _clients = [];

    private static byte[] RequestOf(string way) => Encoding.ASCII.GetBytes(way switch
    {
        "bare" => $"GET {Bare} HTTP/1.1\r\nHost: x\r\n\r\n",
        "long_polling" => $"GET {Topic}?after=now&wait=3000 HTTP/1.1\r\nHost: x\r\n\r\n",
        "server_sent_events" => $"GET {Topic}?after=now HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
        "websocket" => $"GET {Topic}?after=now HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        _ => throw new ArgumentException($"{way} is none of bare, long_polling, server_sent_events, websocket.", nameof(way)),
    });

    private static bool AnswersAtOnce(string way) => way is not ("bare" or "long_polling");

    public async Task GrowToAsync(int count)
    {
        while (_clients.Count < count)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(IPAddress.Loopback, port);
            string way = ways[_clients.Count % ways.Length];
            _clients.Add((socket, way));
            await AskAsync(socket, way);
        }

        // A held poll says nothing until there is news; a moment for the last of them to be held.
        await Task.Delay(500);
    }

    /// <summary>Publishes one message, and gives the milliseconds until each client had it, in order.</summary>
    public async Task<double[]> PublishAsync()
    {
        long start = 0;
        Task<double>[] waiting = [.. _clients.Select(async client =>
        {
            byte[] buffer = new byte[2048];
            string received = "";
            while (!received.Contains("extra!", StringComparison.Ordinal))
            {
                int length = await client.Socket.ReceiveAsync(buffer);
                received += length == 0 ? throw new IOException($"The server ended a connection after: {received}") : Encoding.ASCII.GetString(buffer, 0, length);
            }

            return Stopwatch.GetElapsedTime(Interlocked.Read(ref start)).TotalMilliseconds;
        })];
        using var publisher = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await publisher.ConnectAsync(IPAddress.Loopback, port);
        Interlocked.Exchange(ref start, Stopwatch.GetTimestamp());
        await publisher.SendAsync(Encoding.ASCII.GetBytes($"POST {(ways is ["bare"] ? Bare : Topic)} HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nextra!"));
        double[] delays = await Task.WhenAll(waiting);
        foreach ((Socket socket, string way) in _clients)
        {
            if (!AnswersAtOnce(way))
            {
                await AskAsync(socket, way);
            }
        }

        return [.. delays.Order()];
    }

    private static async Task AskAsync(Socket socket, string way)
    {
        await socket.SendAsync(RequestOf(way));
        if (AnswersAtOnce(way))
        {
            byte[] buffer = new byte[2048];
            string received = "";

            // The first event of a stream, the first page of a socket: from then on it waits.
            while (!received.Contains(way == "websocket" ? "\"reset\"" : "\nid: ", StringComparison.Ordinal))
            {
                received += Encoding.ASCII.GetString(buffer, 0, await socket.ReceiveAsync(buffer));
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        foreach ((Socket socket, string _) in _clients)
        {
            socket.Dispose();
        }

        return ValueTask.CompletedTask;
    }
}
