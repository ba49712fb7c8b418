using System.Runtime.CompilerServices;

namespace Duologue.AspNetCore;

/// <summary>The keys of a socket's publishes that were answered with a refusal, each until its repeat is done: what is to come behind one of them is refused, too. Thread-safe.</summary>
internal sealed class UndonePublishes
{
    /// <summary>So many are remembered: the last.</summary>
    public const int Most = 64;

    // Few sockets ever have some.
    private static readonly ConditionalWeakTable<Connection, UndonePublishes> All = [];

    private readonly List<string> _keys = [];

    public static bool Has(Connection connection, string key)
    {
        if (!All.TryGetValue(connection, out UndonePublishes? undone))
        {
            return false;
        }

        lock (undone._keys)
        {
            return undone._keys.Contains(key);
        }
    }

    public static void Add(Connection connection, string? key)
    {
        if (key is null)
        {
            return;
        }

        List<string> keys = All.GetOrCreateValue(connection)._keys;
        lock (keys)
        {
            _ = keys.Remove(key);
            keys.Add(key);
            keys.RemoveRange(0, Math.Max(0, keys.Count - Most));
        }
    }

    public static void Remove(Connection connection, string? key)
    {
        if (key is not null && All.TryGetValue(connection, out UndonePublishes? undone))
        {
            lock (undone._keys)
            {
                _ = undone._keys.Remove(key);
            }
        }
    }
}
