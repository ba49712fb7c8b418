namespace Duologue.Browser;

/// <summary>How a listener is to be called. Immutable. Source: WHATWG DOM §2.7.</summary>
public sealed record AddEventListenerOptions
{
    /// <summary>Whether the listener is removed when it is first called. Default false.</summary>
    public bool Once { get; init; }
}
