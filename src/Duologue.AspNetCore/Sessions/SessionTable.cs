using System.Collections.Concurrent;

namespace Duologue.AspNetCore;

/// <summary>The sessions of one endpoint, by their ids. Thread-safe.</summary>
internal sealed class SessionTable(string node)
{
    private readonly ConcurrentDictionary<string, Session> _sessions = new(StringComparer.Ordinal);

    public int Count => _sessions.Count;

    public string NewId() => SessionId.Create(node);

    public void Add(Session session) => _sessions[session.Id] = session;

    public Session? Find(string id) => _sessions.GetValueOrDefault(id);

    public void Remove(Session session) => _sessions.TryRemove(session.Id, out _);
}
