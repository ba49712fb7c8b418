namespace Duologue.Cli.Connect;

/// <summary>The transports as they are written on the command line and in the output.</summary>
internal static class TransportNames
{
    private const Transports Every = Transports.WebSocket | Transports.LongPolling | Transports.Polling;

    /// <summary>All of them, in the order in which they are tried.</summary>
    public const string All = "websocket, long-polling, polling";

    public static string NameOf(Transport transport) => transport switch
    {
        Transport.WebSocket => "websocket",
        Transport.LongPolling => "long-polling",
        _ => "polling",
    };

    /// <summary>Reads names with commas between, or <c>auto</c>, in any case.</summary>
    public static bool TryParse(string text, out Transports transports)
    {
        transports = Transports.None;
        foreach (string name in text.Split(',', StringSplitOptions.TrimEntries))
        {
            Transports named = name.ToUpperInvariant() switch
            {
                "WEBSOCKET" => Transports.WebSocket,
                "LONG-POLLING" => Transports.LongPolling,
                "POLLING" => Transports.Polling,
                "AUTO" => Every,
                _ => Transports.None,
            };
            if (named == Transports.None)
            {
                transports = Transports.None;
                return false;
            }

            transports |= named;
        }

        return true;
    }

    /// <summary>What carries the conversation, and what that is, for <c>--explain</c>.</summary>
    public static string Explain(Transport transport) => transport switch
    {
        Transport.WebSocket => "One connection that both sides send on whenever they like.",
        Transport.LongPolling => "A session over Engine.IO v4: this client asks, and is answered when there is news; what it says goes out in requests of its own (docs/sessions.md).",
        _ => "A session over Engine.IO v4: this client asks every few seconds, and is answered at once; what it says goes out in requests of its own (docs/sessions.md).",
    };
}
