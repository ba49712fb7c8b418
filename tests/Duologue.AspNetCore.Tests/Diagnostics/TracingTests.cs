using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Microsoft.AspNetCore.Builder;

namespace Duologue.AspNetCore.Tests.Diagnostics;

public class TracingTests
{
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

    private static ActivityListener Listen(string route, ConcurrentQueue<Activity> stopped)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == Tracing.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                if (Equals(activity.GetTagItem("http.route"), route))
                {
                    stopped.Enqueue(activity);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
