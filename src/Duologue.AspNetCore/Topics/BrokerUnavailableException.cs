namespace Duologue.AspNetCore;

/// <summary>The broker is away, or has more to do than it takes. The message names the option that set the patience.</summary>
public sealed class BrokerUnavailableException : InvalidOperationException
{
    /// <summary>Makes an exception; for a <see cref="Broker"/>.</summary>
    /// <param name="message">What was waited for, how long, and by which option.</param>
    /// <param name="isUnknown">Whether what was asked for may have happened all the same.</param>
    /// <param name="innerException">What failed last; may be null.</param>
    public BrokerUnavailableException(string message, bool isUnknown, Exception? innerException)
        : base(message, innerException) => IsUnknown = isUnknown;

    /// <summary>Whether what was asked for may have happened all the same: the answer was lost. A repeat with the same idempotency key does no harm.</summary>
    public bool IsUnknown { get; }
}
