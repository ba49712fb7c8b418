using System.Diagnostics.CodeAnalysis;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Duologue.Redis;

/// <summary>
/// Says how the node is reached when it listens, and that it stops before anything of it does: services stop in the reverse of the order in which they were added, and the drain was added before this.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The cancellation source has neither a timer nor a wait handle: there is nothing to dispose.")]
internal sealed class NodeService(RedisBroker broker, SessionForwarder forwarder, IServiceProvider services) : IHostedLifecycleService
{
    private readonly CancellationTokenSource _stop = new();
    private Task _draining = Task.CompletedTask;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken)
    {
        string? listens = services.GetService<IServer>()?.Features.Get<IServerAddressesFeature>()?.Addresses.FirstOrDefault();
        broker.Registry.Listens(listens is null ? null : Microsoft.AspNetCore.Http.BindingAddress.Parse(listens).Port);
        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await broker.BeginLeavingAsync(cancellationToken).ConfigureAwait(false);

        // Beside the drain of this node's own connections, and not before it.
        _draining = forwarder.DrainAsync(_stop.Token);
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _draining.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The host's patience is over.
        }

        await _stop.CancelAsync().ConfigureAwait(false);
    }

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
