using Microsoft.Extensions.Hosting;

namespace Duologue.AspNetCore;

/// <summary>Fails the start of an application with an endpoint that nobody would talk at: otherwise its first client would find out.</summary>
internal sealed class EndpointCheck(DuologueServer server) : IHostedLifecycleService
{
    // Not before: where the pipeline is made by a startup class, the endpoints are mapped as the web server starts.
    public Task StartedAsync(CancellationToken cancellationToken)
    {
        server.ThrowIfIncomplete();
        return Task.CompletedTask;
    }

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
