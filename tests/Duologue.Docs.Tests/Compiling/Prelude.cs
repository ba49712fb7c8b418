#pragma warning disable CS8618, CA1051, IDE1006 // Nothing here runs; the names are those that the documents use.

using System.Diagnostics;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;

namespace Duologue.Docs.Tests.Compiling;

/// <summary>What the documents' fragments take as given. Each block is compiled as a method of a class below this one, so that its own names hide these.</summary>
public abstract class Prelude
{
    // A program.
    protected WebApplicationBuilder builder;
    protected WebApplication app;
    protected CancellationToken cancellationToken;

    // A server.
    protected Connections connections;
    protected Topics topics;
    protected TopicPosition position;
    protected string order;
    protected ActivitySource source;
    protected RoomList rooms;
    protected TokenService tokens;
    protected string user;
    protected string userId;

    // A client.
    protected Connection connection;
    protected Duologue.Browser.WebSocket ws;
    protected TopicClient client;
    protected Uri uri;
    protected string path;
    protected string token;
    protected IWebProxy proxy;
    protected CookieContainer cookies;
    protected X509Certificate2 myRoot;

    protected static Task Talk(Connection connection) => Task.CompletedTask;

    protected static Task Remember(string cursor) => Task.CompletedTask;

    protected abstract class RoomList
    {
        public abstract bool MayEnter(string user, string topic);
    }

    protected abstract class TokenService
    {
        public abstract ValueTask<string?> ValidateAsync(string token);

        public abstract ValueTask<string> GetAsync(CancellationToken cancellationToken);
    }

    protected abstract class OrdersContext;

    protected abstract class Program;

    protected class Handler : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => default;
    }

    protected sealed class Chat : Handler;

    protected sealed class ChatHandler : Handler;

    protected sealed class FeedHandler : Handler;

    protected sealed class Reports : Handler;

    protected sealed class Telemetry : Handler;

    protected sealed class MyBroker : Broker
    {
        public override ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken) => default;

        public override ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken) => default;

        public override ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken) => default;

        public override ValueTask UnsubscribeAsync(string topic) => default;
    }
}
