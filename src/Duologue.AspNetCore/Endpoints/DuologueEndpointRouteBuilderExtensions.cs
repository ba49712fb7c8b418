using System.Diagnostics.CodeAnalysis;
using Duologue;
using Duologue.AspNetCore;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.AspNetCore.Builder;

/// <summary>Maps conversations to URLs.</summary>
public static class DuologueEndpointRouteBuilderExtensions
{
    /// <summary>
    /// Maps an async delegate: it is called once per connection, and receives and sends as it likes. When it returns the connection
    /// is closed with 1000; when it throws, with 1011, and the exception is logged.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The route's pattern. A page may be mapped to the same.</param>
    /// <param name="conversation">Runs once per connection. It may outlive the request: take scoped services from a scope of its own.</param>
    /// <exception cref="InvalidOperationException"><c>AddDuologue</c> was not called.</exception>
    public static DuologueEndpointBuilder MapDuologue(this IEndpointRouteBuilder endpoints, [StringSyntax("Route")] string pattern, Func<Connection, Task> conversation) =>
        Map(endpoints, pattern, (_, _) => HandlerChoice.Of(conversation));

    /// <summary>Maps a handler class: messages are pushed to its one instance.</summary>
    /// <typeparam name="THandler">Made at once, by constructor injection.</typeparam>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The route's pattern. A page may be mapped to the same.</param>
    /// <exception cref="InvalidOperationException"><c>AddDuologue</c> was not called, or a service that the constructor wants is missing.</exception>
    public static DuologueEndpointBuilder MapDuologue<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(this IEndpointRouteBuilder endpoints, [StringSyntax("Route")] string pattern)
        where THandler : MessageHandler =>
        Map(endpoints, pattern, HandlerChoice.Of<THandler>);

    /// <summary>
    /// Maps several services to one URL, told apart by subprotocol: call <c>WithSubprotocol</c> on the result, or the application does not start. A client
    /// that offers none of them is refused with 400.
    /// </summary>
    /// <param name="endpoints">The application.</param>
    /// <param name="pattern">The route's pattern. A page may be mapped to the same.</param>
    /// <exception cref="InvalidOperationException"><c>AddDuologue</c> was not called.</exception>
    public static DuologueEndpointBuilder MapDuologue(this IEndpointRouteBuilder endpoints, [StringSyntax("Route")] string pattern) =>
        Map(endpoints, pattern, (_, _) => null);

    private static DuologueEndpointBuilder Map(IEndpointRouteBuilder endpoints, string pattern, Func<DuologueServer, IServiceProvider, HandlerChoice?> handler)
    {
        ArgumentNullException.ThrowIfNull(endpoints);
        ArgumentNullException.ThrowIfNull(pattern);
        DuologueServer server = endpoints.ServiceProvider.GetService<DuologueServer>()
            ?? throw new InvalidOperationException("MapDuologue needs its services: call builder.Services.AddDuologue() before the application is built.");
        var endpoint = new DuologueEndpoint(server, pattern, handler(server, endpoints.ServiceProvider));

        // Any method: a page's fetch with another one is told what this endpoint is, and counted.
        IEndpointConventionBuilder route = endpoints.Map(pattern, endpoint.HandleAsync);
        route.WithMetadata(endpoint).WithDisplayName($"Duologue {pattern}");

        // The endpoints are built with the first request. What was mapped before the application has started is judged with its start; the rest then.
        server.Expect(endpoint);
        route.Finally(_ => endpoint.ThrowIfIncomplete());
        return new DuologueEndpointBuilder(route, endpoint, server, endpoints.ServiceProvider);
    }
}
