using System.Globalization;
using Microsoft.AspNetCore.SignalR.Client;

namespace Duologue.Backplane;

/// <summary>A client as an application has it, with what comes with its engine to come back after a cut.</summary>
internal abstract class Member : IAsyncDisposable
{
    public static Member Of(Engine engine, Uri url) => engine == Engine.SignalR ? new SignalRMember(url) : new DuologueMember(url);

    /// <summary>Begins to receive a topic; completes when it does.</summary>
    public abstract Task JoinAsync(string topic, Receipts receipts);

    public abstract Task ConnectAsync();

    /// <summary>Completes when the server has confirmed it; throws where it is refused, or nobody knows.</summary>
    public abstract Task PublishAsync(string topic, int number);

    public abstract ValueTask DisposeAsync();
}

/// <summary>SignalR's own client, with its automatic reconnect as it comes, and the group joined again after each, as its documentation asks for.</summary>
internal sealed class SignalRMember : Member
{
    private readonly HubConnection _connection;

    public SignalRMember(Uri url) => _connection = new HubConnectionBuilder().WithUrl(new Uri(url, NodeApplication.HubPath)).WithAutomaticReconnect().Build();

    public override Task ConnectAsync() => _connection.StartAsync();

    public override async Task JoinAsync(string topic, Receipts receipts)
    {
        _connection.On<string, string>(RoomHub.News, (_, text) => receipts.Add(int.Parse(text, CultureInfo.InvariantCulture)));
        _connection.Reconnected += async _ =>
        {
            // As often as it takes: the group is gone with the connection that was in it.
            while (_connection.State == HubConnectionState.Connected)
            {
                try
                {
                    await _connection.InvokeAsync(nameof(RoomHub.Join), topic);
                    return;
                }
                catch (Exception)
                {
                    await Task.Delay(200);
                }
            }
        };
        await _connection.StartAsync();
        await _connection.InvokeAsync(nameof(RoomHub.Join), topic);
    }

    public override Task PublishAsync(string topic, int number) => _connection.InvokeAsync(nameof(RoomHub.Publish), topic, number.ToString(CultureInfo.InvariantCulture));

    public override ValueTask DisposeAsync() => _connection.DisposeAsync();
}

internal sealed class DuologueMember(Uri url) : Member
{
    private readonly TopicClient _client = new(new Uri(url, NodeApplication.TopicsPath));
    private readonly CancellationTokenSource _stop = new();
    private Task _reading = Task.CompletedTask;

    public override Task ConnectAsync() => Task.CompletedTask;

    // From the oldest: it subscribes before anything is published, and whether a moment before or after does not matter.
    public override Task JoinAsync(string topic, Receipts receipts)
    {
        _reading = ReadAsync(topic, receipts);
        return Task.CompletedTask;
    }

    public override Task PublishAsync(string topic, int number) => _client.PublishAsync(topic, number.ToString(CultureInfo.InvariantCulture), CancellationToken.None);

    public override async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _client.DisposeAsync();
        await _reading;
        _stop.Dispose();
    }

    private async Task ReadAsync(string topic, Receipts receipts)
    {
        try
        {
            await foreach (TopicNews news in _client.SubscribeAsync(topic, TopicClient.Oldest, _stop.Token))
            {
                if (news is TopicItem item)
                {
                    receipts.Add(int.Parse(item.Text, CultureInfo.InvariantCulture));
                }
                else
                {
                    receipts.AddReset();
                }
            }
        }
        catch (Exception exception) when (exception is OperationCanceledException or TopicException)
        {
            // The run is over, or the client has given up: what is missing is counted.
        }
    }
}
