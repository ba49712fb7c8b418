using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>What a server has said against a node: its login, or a right that it lacks.</summary>
internal static class RedisRefusal
{
    /// <summary>The server's words; null if it is not the server that refuses.</summary>
    public static string? Of(Exception error)
    {
        for (Exception? each = error; each is not null; each = each.InnerException)
        {
            switch (each)
            {
                case RedisServerException:
                    return each.Message;
                case RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure }:
                    return each.GetBaseException().Message;
            }
        }

        return null;
    }
}
