namespace Duologue.AspNetCore;

/// <summary>What a connection subscribes to. Everything here is guarded by this object's lock.</summary>
internal partial class ConnectionState
{
    // What is subscribed to: a topic, a wildcard, or a place that is held for one. Null until the first.
    private Dictionary<(string Name, MemberForm Form), object>? _subscriptions;

    // How many of them are wildcards: most connections have none, and some have thousands of topics.
    private int _wildcards;

    /// <summary>From then on nothing may be subscribed to.</summary>
    public bool HasClosed { get; private set; }

    /// <summary>How many there are.</summary>
    public int SubscriptionCount => _subscriptions?.Count ?? 0;

    /// <summary>Whether there is one.</summary>
    public bool IsSubscribed(string name, MemberForm form) => _subscriptions?.ContainsKey((name, form)) == true;

    /// <summary>The patterns that are subscribed to in a form and stand for a topic.</summary>
    public string[] ListPatterns(string topic, MemberForm form) => [.. PatternsFor(topic, form)];

    /// <summary>Whether there is such a pattern.</summary>
    public bool HasPattern(string topic, MemberForm form) => PatternsFor(topic, form).Any();

    /// <summary>Holds a place for a subscription that is being made.</summary>
    public void Hold(PendingSubscription pending) => (_subscriptions ??= []).Add((pending.Name, pending.Form), pending);

    /// <summary>Whether the place is still held.</summary>
    public bool IsHeld(PendingSubscription pending) =>
        _subscriptions is not null && _subscriptions.TryGetValue((pending.Name, pending.Form), out object? held) && ReferenceEquals(held, pending);

    /// <summary>Puts what was made in its place, or takes the place back; false if it was lost: the connection has closed, or has unsubscribed.</summary>
    public bool Settle(PendingSubscription pending, object? made)
    {
        if (!IsHeld(pending))
        {
            return false;
        }

        if (made is null)
        {
            _subscriptions!.Remove((pending.Name, pending.Form));
        }
        else
        {
            _subscriptions![(pending.Name, pending.Form)] = made;
            _wildcards += made is Wildcard ? 1 : 0;
        }

        return true;
    }

    /// <summary>Takes one out; null if there is none.</summary>
    public object? Remove(string name, MemberForm form)
    {
        if (_subscriptions?.Remove((name, form), out object? removed) != true)
        {
            return null;
        }

        _wildcards -= removed is Wildcard ? 1 : 0;
        return removed;
    }

    /// <summary>Takes all out; there can be no new ones.</summary>
    public KeyValuePair<(string Name, MemberForm Form), object>[] RemoveAll()
    {
        HasClosed = true;
        KeyValuePair<(string, MemberForm), object>[] all = _subscriptions is null ? [] : [.. _subscriptions];
        (_subscriptions, _wildcards) = (null, 0);
        return all;
    }

    private IEnumerable<string> PatternsFor(string topic, MemberForm form) => _wildcards == 0
        ? []
        : _subscriptions!.Where(held => held.Key.Form == form && held.Value is Wildcard && TopicName.Matches(held.Key.Name, topic)).Select(held => held.Key.Name);
}

/// <summary>The place of a subscription that is being made.</summary>
internal sealed class PendingSubscription(string name, MemberForm form)
{
    public string Name { get; } = name;

    public MemberForm Form { get; } = form;
}
