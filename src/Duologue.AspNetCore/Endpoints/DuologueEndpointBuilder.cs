using System.Diagnostics.CodeAnalysis;
using Duologue;
using Duologue.AspNetCore;

namespace Microsoft.AspNetCore.Builder;

/// <summary>
/// Configures an endpoint that <c>MapDuologue</c> made. All that is for endpoints works on it: <c>RequireAuthorization</c>,
/// <c>RequireRateLimiting</c>, <c>RequireCors</c>, <c>RequireHost</c>, <c>WithMetadata</c>.
/// </summary>
public sealed class DuologueEndpointBuilder : IEndpointConventionBuilder
{
    private readonly IEndpointConventionBuilder _inner;
    private readonly DuologueEndpoint _endpoint;
    private readonly DuologueServer _server;
    private readonly IServiceProvider _services;

    internal DuologueEndpointBuilder(IEndpointConventionBuilder inner, DuologueEndpoint endpoint, DuologueServer server, IServiceProvider services)
    {
        _inner = inner;
        _endpoint = endpoint;
        _server = server;
        _services = services;
    }

    /// <inheritdoc/>
    public void Add(Action<EndpointBuilder> convention) => _inner.Add(convention);

    /// <inheritdoc/>
    public void Finally(Action<EndpointBuilder> finallyConvention) => _inner.Finally(finallyConvention);

    /// <summary>Sets limits, timings, origins, captured headers and subprotocols of this endpoint. The rest stays as in <see cref="DuologueOptions"/>.</summary>
    /// <param name="configure">Changes the endpoint's own copy of the options.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A value is out of its range; the message names it.</exception>
    public DuologueEndpointBuilder WithOptions(Action<DuologueEndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        _endpoint.Configure(configure);
        return this;
    }

    /// <summary>
    /// Gives the clients that offer a subprotocol a handler class of their own. The server's order decides: of several that a client offers,
    /// the one that was named here first.
    /// </summary>
    /// <typeparam name="THandler">Made at once, by constructor injection; one instance.</typeparam>
    /// <param name="subprotocol">A token, compared with case.</param>
    /// <exception cref="ArgumentException">It is no token, or was named before.</exception>
    public DuologueEndpointBuilder WithSubprotocol<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors)] THandler>(string subprotocol)
        where THandler : MessageHandler
    {
        _endpoint.Dispatch(subprotocol, HandlerChoice.Of<THandler>(_server, _services));
        return this;
    }

    /// <summary>Gives the clients that offer a subprotocol a conversation of their own; see the other overload.</summary>
    /// <param name="subprotocol">A token, compared with case.</param>
    /// <param name="conversation">Runs once per connection; when it returns the connection is closed with 1000, when it throws with 1011.</param>
    /// <exception cref="ArgumentException">It is no token, or was named before.</exception>
    public DuologueEndpointBuilder WithSubprotocol(string subprotocol, Func<Connection, Task> conversation)
    {
        _endpoint.Dispatch(subprotocol, HandlerChoice.Of(conversation));
        return this;
    }
}
