using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;

namespace Duologue.AspNetCore.Tests.Diagnostics;

public class TracingTests
{
    private const string TraceParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    [Fact]
    public async Task A_connect_is_one_activity_that_ends_with_the_handshake()
    {
        // A route of this test's own: the source is one for the process, and other tests connect meanwhile.
        const string Route = "/traced-connect";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue(Route, Talks.Echo).WithOptions(o => o.Subprotocols.Add("v1")));

        using ClientWebSocket client = await host.ConnectAsync(Route, options => options.AddSubProtocol("v1"));
        await Eventually.True(() => !stopped.IsEmpty);

        Activity activity = Assert.Single(stopped);
        Assert.Equal("duologue.connect", activity.OperationName);
        Assert.Equal("v1", activity.GetTagItem("duologue.subprotocol"));
        Assert.Equal(Assert.Single(host.Connections).Id, activity.GetTagItem("duologue.connection.id"));
        Assert.Equal(ActivityStatusCode.Unset, activity.Status);
    }

    [Fact]
    public async Task A_refusal_is_an_activity_with_its_reason()
    {
        const string Route = "/traced-refusal";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue(Route, Talks.Echo));

        await host.HandshakeAsync(Route, ("Origin", "https://evil.test"));
        await Eventually.True(() => !stopped.IsEmpty);

        Activity activity = Assert.Single(stopped);
        Assert.Equal("origin", activity.GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Error, activity.Status);
    }

    [Fact]
    public async Task The_trace_and_its_baggage_come_with_the_handshake()
    {
        const string Route = "/traced-from-afar";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<EchoHandler>(Route).WithOptions(o => o.TraceMessages = true));
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        await client.HandshakeAsync(Route, ("traceparent", TraceParent), ("tracestate", "vendor=1"), ("baggage", "tenant=blue"));

        await client.Stream.WriteAsync((byte[])[0x82, 0x81, 0, 0, 0, 0, 1], TestContext.Current.CancellationToken);
        await Eventually.True(() => stopped.Any(each => each.OperationName == "duologue.message"));

        Activity connect = Of("duologue.connect", stopped);
        Assert.Equal("0af7651916cd43dd8448eb211c80319c", connect.TraceId.ToString());
        Assert.Equal("vendor=1", connect.TraceStateString);
        Activity message = Of("duologue.message", stopped);
        Assert.Equal("blue", message.GetBaggageItem("tenant"));
    }

    [Fact]
    public async Task Without_an_activity_of_the_web_server_the_handshake_itself_takes_up_the_trace()
    {
        const string Route = "/traced-alone";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.Use((context, next) =>
            {
                Activity.Current = null;
                return next(context);
            });
            app.UseRouting();
            app.MapDuologue(Route, Talks.Echo);
        });
        await using RawClient client = await RawClient.ConnectAsync(host.Url);
        await client.HandshakeAsync(Route, ("traceparent", TraceParent), ("baggage", "tenant=blue"));
        await Eventually.True(() => !stopped.IsEmpty);

        Activity connect = Assert.Single(stopped);
        Assert.Equal(ActivityKind.Server, connect.Kind);
        Assert.Equal(TraceParent, connect.ParentId);
        Assert.Equal("blue", connect.GetBaggageItem("tenant"));
    }

    [Fact]
    public async Task A_conversation_is_a_trace_of_its_own_that_links_to_its_request()
    {
        const string Route = "/traced-conversation";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        var current = new TaskCompletionSource<(Activity? Current, ActivityContext Trace)>(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue(Route, connection =>
        {
            current.SetResult((Activity.Current, connection.Request!.TraceContext));
            return Talks.Echo(connection);
        }));

        using (ClientWebSocket client = await host.ConnectAsync(Route))
        {
            await client.CloseAsync();
        }

        await Eventually.True(() => stopped.Any(each => each.OperationName == "duologue.conversation"));
        Activity connect = Of("duologue.connect", stopped);
        Activity conversation = Of("duologue.conversation", stopped);
        Assert.Equal(default, conversation.ParentSpanId);
        Assert.NotEqual(connect.TraceId, conversation.TraceId);
        Assert.Equal(connect.Context, Assert.Single(conversation.Links).Context);
        Assert.Equal("peer_closed", conversation.GetTagItem("duologue.close.cause"));
        Assert.Equal(1000, conversation.GetTagItem("duologue.close.code"));
        Assert.True(conversation.Duration > TimeSpan.Zero);
        Assert.Equal((null, connect.Context), await current.Task);
    }

    [Fact]
    public async Task Messages_are_traced_only_where_the_endpoint_asks_for_it()
    {
        const string Quiet = "/traced-not";
        const string Loud = "/traced-messages";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(null, stopped);
        await using TestHost host = await TestHost.StartAsync(app =>
        {
            app.MapDuologue<EchoHandler>(Quiet);
            app.MapDuologue<EchoHandler>(Loud).WithOptions(o => o.TraceMessages = true);
        });

        foreach (string route in new[] { Quiet, Loud })
        {
            using ClientWebSocket client = await host.ConnectAsync(route);
            await client.SendTextAsync("hello");
            Assert.Equal("hello", await client.ReceiveTextAsync());
            await client.CloseAsync();
            await Eventually.True(() => stopped.Any(each => each.OperationName == "duologue.conversation" && At(route)(each)));
        }

        await Eventually.True(() => stopped.Any(each => each.OperationName == "duologue.close" && At(Loud)(each)));
        Assert.Equal(["duologue.connect", "duologue.conversation"], stopped.Where(At(Quiet)).Select(each => each.OperationName).Order());
        Assert.Equal(["duologue.close", "duologue.connect", "duologue.conversation", "duologue.message", "duologue.open"], stopped.Where(At(Loud)).Select(each => each.OperationName).Order());
        Activity message = stopped.Where(At(Loud)).Single(each => each.OperationName == "duologue.message");
        Assert.Equal(ActivityKind.Consumer, message.Kind);
        Assert.Equal("text", message.GetTagItem("duologue.message.type"));
        Assert.Equal(5, message.GetTagItem("messaging.message.body.size"));
        Assert.Equal(default, message.ParentSpanId);
        Assert.Single(message.Links);
    }

    [Fact]
    public async Task A_handler_that_throws_is_an_error_of_its_call_and_of_the_conversation()
    {
        const string Route = "/traced-failure";
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(Route, stopped);
        await using TestHost host = await TestHost.StartAsync(app => app.MapDuologue<Failing>(Route).WithOptions(o => o.TraceMessages = true));

        using ClientWebSocket client = await host.ConnectAsync(Route);
        await client.SendTextAsync("hello");
        Assert.StartsWith("close 1011", await client.ReceiveTextAsync(), StringComparison.Ordinal);
        await client.CloseAsync();
        await Eventually.True(() => stopped.Any(each => each.OperationName == "duologue.conversation"));

        Assert.Equal("System.InvalidTimeZoneException", Of("duologue.message", stopped).GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Error, Of("duologue.message", stopped).Status);
        Assert.Equal("handler_failed", Of("duologue.conversation", stopped).GetTagItem("error.type"));
        Assert.Equal(ActivityStatusCode.Error, Of("duologue.conversation", stopped).Status);
    }

    [Theory]
    [InlineData("/traced-publishes", """{"type":"publish","topic":"t","data":"x"}""")]
    [InlineData("/traced-publishes/t", "x")]
    public async Task The_activity_of_a_publish_ended_before_it_was_confirmed(string path, string publish)
    {
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(null, stopped);
        var broker = new HeldBroker(takesAhead: true);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/traced-publishes/{**name}").WithOptions(topics => (topics.AllowPublishing, topics.TraceMessages) = (true, true)),
            _ => { },
            builder => builder.Services.AddSingleton<Broker>(broker));
        using ClientWebSocket socket = await host.ConnectAsync(path, options => options.AddSubProtocol(TopicsProtocol.Name));
        string id = Assert.Single(host.Connections).Id;
        await socket.SendTextAsync(publish);
        await socket.SendTextAsync(publish);

        // The call of the first has returned: calls do not overlap.
        await broker.HoldsAsync(2);
        DateTime before = DateTime.UtcNow;
        broker.Answer(0);
        broker.Fail(1, new InvalidOperationException("It is broken."));
        Activity[] calls = [];
        await Eventually.True(() => (calls = [.. stopped.Where(each => each.OperationName == "duologue.message" && Equals(each.GetTagItem("duologue.connection.id"), id)).OrderBy(each => each.StartTimeUtc)]).Length == 2);
        Assert.All(calls, call => Assert.True(call.StartTimeUtc + call.Duration >= before, $"It ended {before - call.StartTimeUtc - call.Duration} early."));
        Assert.Equal([null, "System.InvalidOperationException"], calls.Select(call => call.GetTagItem("error.type")));
    }

    [Theory]
    [InlineData("/traced-broken", """{"type":"publish","topic":"t","data":"x"}""")]
    [InlineData("/traced-broken/t", "x")]
    public async Task The_activity_of_a_publish_that_failed_before_its_call_returned_was_no_error(string path, string publish)
    {
        var stopped = new ConcurrentQueue<Activity>();
        using ActivityListener listener = Listen(null, stopped);
        await using TestHost host = await TestHost.StartAsync(
            app => app.MapTopics("/traced-broken/{**name}").WithOptions(topics => (topics.AllowPublishing, topics.TraceMessages) = (true, true)),
            _ => { },
            builder => builder.Services.AddSingleton<Broker>(new BrokenBroker()));
        using ClientWebSocket socket = await host.ConnectAsync(path, options => options.AddSubProtocol(TopicsProtocol.Name));
        string id = Assert.Single(host.Connections).Id;
        await socket.SendTextAsync(publish);
        Activity[] calls = [];
        await Eventually.True(() => (calls = [.. stopped.Where(each => each.OperationName == "duologue.message" && Equals(each.GetTagItem("duologue.connection.id"), id))]).Length == 1);
        Assert.Equal(("System.InvalidOperationException", ActivityStatusCode.Error), (calls[0].GetTagItem("error.type"), calls[0].Status));
    }

    private static Activity Of(string name, ConcurrentQueue<Activity> stopped) => stopped.Single(each => each.OperationName == name);

    private static Func<Activity, bool> At(string route) => activity => Equals(activity.GetTagItem("http.route"), route);

    private static ActivityListener Listen(string? route, ConcurrentQueue<Activity> stopped)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Tracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                if (route is null || At(route)(activity))
                {
                    stopped.Enqueue(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    private sealed class Failing : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => throw new InvalidTimeZoneException();
    }

    /// <summary>Takes publishes ahead, and each fails at once.</summary>
    private sealed class BrokenBroker() : StoringBroker(new MemoryBroker(new DuologueOptions(), TimeProvider.System))
    {
        internal override bool TakesAhead => true;

        public override ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("It is broken.");

        protected override void Tell(string topic, TopicMessage message) => OnAppended(topic, message);
    }
}
