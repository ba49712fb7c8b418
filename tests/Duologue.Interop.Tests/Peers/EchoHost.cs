using System.Net;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Duologue.Interop.Tests.Peers;

/// <summary>Duologue's server on a free port, which echoes at <c>/talk</c>.</summary>
internal sealed class EchoHost : IAsyncDisposable
{
    private readonly WebApplication _application;

    private EchoHost(WebApplication application) => _application = application;

    public Uri Url => new(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    /// <summary>The server's end of the one conversation.</summary>
    public Connection TheConnection => Assert.Single(_application.Services.GetRequiredService<Connections>());

    public static async Task<EchoHost> StartAsync(Action<DuologueOptions> options)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Services.AddDuologue(options);
        WebApplication application = builder.Build();
        application.MapDuologue<Echo>("/talk");
        await application.StartAsync(TestContext.Current.CancellationToken);
        return new EchoHost(application);
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private sealed class Echo : MessageHandler
    {
        public override ValueTask OnMessageAsync(Connection connection, Message message) => connection.SendAsync(message.Data, message.Type);
    }
}
