namespace Duologue.AspNetCore;

/// <summary>
/// The place of a publish among those of its socket of which each names the one that it is to come behind: it is given up if that one was. What takes publishes ahead (<see cref="Broker.TakesAhead"/>) asks, and says what
/// became of it, before its publisher is told. Thread-safe.
/// </summary>
/// <param name="key">The publish's key, by which others name it.</param>
/// <param name="before">The one that it is to come behind, while that has no answer; else null.</param>
internal sealed class PublishTurn(string? key, PublishTurn? before)
{
    /// <summary>What a publisher is told whose turn is broken.</summary>
    public const string Refusal = "The publish that this one is to come behind was not done. Repeat both, in their order.";

    private PublishTurn? _before = before;
    private volatile bool _isUndone;

    public string? Key => key;

    /// <summary>Whether the one before was not done: this one would overtake its repeat.</summary>
    public bool IsBroken => Volatile.Read(ref _before) is { _isUndone: true };

    /// <summary>It is in the log, or was. From here on it keeps no other in memory.</summary>
    public void Done() => Volatile.Write(ref _before, null);

    /// <summary>Its publisher is to be told that it was not done, or may not have been.</summary>
    public void NotDone()
    {
        _isUndone = true;
        Done();
    }
}
