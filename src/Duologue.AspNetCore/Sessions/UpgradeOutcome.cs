namespace Duologue.AspNetCore;

/// <summary>How a WebSocket's try to take a session over from polling ended: what is counted and logged.</summary>
internal enum UpgradeOutcome
{
    /// <summary>It carries the session.</summary>
    Completed,

    /// <summary><see cref="DuologueEndpointOptions.SessionUpgradeTimeout"/>.</summary>
    Timeout,

    /// <summary>It ended before, or its client sent another packet than those of the change.</summary>
    Failed,
}

internal static class UpgradeOutcomes
{
    /// <summary>The outcome as the value of a metric's attribute.</summary>
    public static string Name(this UpgradeOutcome outcome) => outcome switch
    {
        UpgradeOutcome.Completed => "completed",
        UpgradeOutcome.Timeout => "timeout",
        UpgradeOutcome.Failed => "failed",
        _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, null),
    };
}
