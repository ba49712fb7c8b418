using System.Net.Sockets;
using System.Security.Authentication;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

public class RedisRefusalTests
{
    // What lies within is what ended it first; there may be nothing.
    [Fact]
    public void A_TLS_that_failed_was_taken_for_a_refusal_of_the_servers()
    {
        Exception?[] causes =
        [
            new AuthenticationException("Cannot determine the frame size."),
            new IOException("Unable to read data.", new SocketException()),
            new ObjectDisposedException("SslStream"),
            new TimeoutException(),
            null,
        ];
        Assert.All(causes, cause => Assert.Null(RedisRefusal.Of(LoginFailed(cause))));

        // Some have a second line, behind which what a sentence goes on with was lost.
        Assert.All(causes, cause => Assert.DoesNotContain("\n", Log.CauseOf(LoginFailed(cause)), StringComparison.Ordinal));
    }

    [Fact]
    public void What_the_server_has_said_is_told_in_its_words()
    {
        const string Said = "WRONGPASS invalid username-password pair or user is disabled.";
        Assert.Equal(Said, RedisRefusal.Of(LoginFailed(new RedisServerException(RedisErrorKind.Unknown, CommandFlags.None, Said))));
#pragma warning disable CA2201 // The client library throws it.
        Assert.Equal(Said, RedisRefusal.Of(LoginFailed(new Exception(Said))));
#pragma warning restore CA2201
    }

    private static RedisConnectionException LoginFailed(Exception? cause) => new(ConnectionFailureType.AuthenticationFailure, CommandFlags.None, "There was an authentication failure.", cause);
}
