namespace Duologue.Cli.Terminal;

/// <summary>What the process answers when it ends. Documented in docs/cli.md and in the help: scripts depend on the numbers.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>Something that none of the others names; the error says what.</summary>
    public const int Failure = 1;

    /// <summary>The command line cannot be understood: an option, a value, a URL.</summary>
    public const int Usage = 2;

    /// <summary>No answer from the server: name, network, TLS, timeout.</summary>
    public const int CannotConnect = 3;

    /// <summary>The server answered, but did not accept the WebSocket.</summary>
    public const int Refused = 4;

    /// <summary>The connection was lost, or closed with a code that is none of 1000, 1001 and 1005.</summary>
    public const int ClosedBadly = 5;

    /// <summary>The address to listen on is taken or not this machine's.</summary>
    public const int CannotListen = 6;

    /// <summary><c>--once</c>: no message came in the time given by <c>--wait</c>, or the peer closed before one came.</summary>
    public const int NoAnswer = 7;

    /// <summary>The lines about them at the end of every help.</summary>
    public const string Help = """
        0  done
        1  a failure that none of the others names
        2  bad command line or URL
        3  cannot connect
        4  the server refused the handshake
        5  lost, or closed with an error code
        6  cannot listen
        7  no answer to --once
        """;
}
