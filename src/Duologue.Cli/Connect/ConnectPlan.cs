namespace Duologue.Cli.Connect;

/// <summary>How a conversation goes.</summary>
/// <param name="Binary">Send binary messages.</param>
/// <param name="Once">End after the first message that comes.</param>
/// <param name="Wait">How long to go on after piped input has ended.</param>
/// <param name="PingInterval">How often to ping and print the round trip; null for never.</param>
internal sealed record ConnectPlan(bool Binary, bool Once, TimeSpan Wait, TimeSpan? PingInterval);
