using StackExchange.Redis;

namespace Duologue.Redis;

/// <summary>What a server has said against a node: its login, or a right that it lacks.</summary>
internal static class RedisRefusal
{
    /// <summary>
    /// Whether it is an answer to the call. Where the server refuses what the client library asks it by itself, the connection is ended, and all that was sent behind that is failed in the same words: what
    /// became of it is not known.
    /// </summary>
    public static bool IsAnswer(RedisServerException error) => error.Kind != RedisErrorKind.ConnectionFault;

    /// <summary>The server's words; null if it is not the server that refuses.</summary>
    public static string? Of(Exception error)
    {
        for (Exception? each = error; each is not null; each = each.InnerException)
        {
            switch (each)
            {
                case RedisServerException:
                    return each.Message;
                // Of a login the client library has the words in an exception of no type of their own. It also calls a TLS that failed so, of which no server has said anything.
                case RedisConnectionException { FailureType: ConnectionFailureType.AuthenticationFailure } when each.GetBaseException() is var cause && cause.GetType() == typeof(Exception):
                    return cause.Message;
            }
        }

        return null;
    }
}
