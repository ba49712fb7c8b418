using System.Security.Claims;
using Microsoft.Extensions.Logging;

namespace Duologue.AspNetCore;

/// <summary>Asks the application who may do what; never throws.</summary>
internal sealed class TopicAuthorization(TopicEndpointOptions options, string endpoint, ILogger logger)
{
    public bool AllowsPublishing => options.AllowPublishing;

    public bool MaySubscribe(string topic, ClaimsPrincipal user) => Ask(options.AuthorizeSubscribe, nameof(options.AuthorizeSubscribe), topic, user);

    public bool MayPublish(string topic, ClaimsPrincipal user) => options.AllowPublishing && Ask(options.AuthorizePublish, nameof(options.AuthorizePublish), topic, user);

    private bool Ask(Func<TopicAccess, bool>? hook, string name, string topic, ClaimsPrincipal user)
    {
        try
        {
            return hook is null || hook(new TopicAccess(topic, user));
        }
#pragma warning disable CA1031 // Whatever the application throws, it has not said yes; it is logged with its stack.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Log.TopicHookFailed(logger, error, name, endpoint);
            return false;
        }
    }
}
