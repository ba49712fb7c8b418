using Duologue.AspNetCore;

namespace Microsoft.AspNetCore.Builder;

/// <summary>
/// Configures an endpoint that <c>MapTopics</c> made. All that is for endpoints works on it, such as <c>RequireAuthorization</c> and <c>RequireRateLimiting</c>; origins are set by
/// <see cref="WithOptions"/>, not by <c>RequireCors</c>.
/// </summary>
public sealed class TopicEndpointBuilder : IEndpointConventionBuilder
{
    private readonly IEndpointConventionBuilder _inner;
    private readonly TopicEndpoint _endpoint;

    internal TopicEndpointBuilder(IEndpointConventionBuilder inner, TopicEndpoint endpoint)
    {
        _inner = inner;
        _endpoint = endpoint;
    }

    /// <inheritdoc/>
    public void Add(Action<EndpointBuilder> convention) => _inner.Add(convention);

    /// <inheritdoc/>
    public void Finally(Action<EndpointBuilder> finallyConvention) => _inner.Finally(finallyConvention);

    /// <summary>Sets who may do what, limits, timings and origins of this endpoint. The rest stays as in <see cref="DuologueOptions"/>.</summary>
    /// <param name="configure">Changes the endpoint's own options.</param>
    /// <exception cref="Microsoft.Extensions.Options.OptionsValidationException">A value is out of its range; the message names it.</exception>
    public TopicEndpointBuilder WithOptions(Action<TopicEndpointOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        _endpoint.Configure(configure);
        return this;
    }
}
