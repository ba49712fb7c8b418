namespace Duologue.AspNetCore;

/// <summary>
/// Connections by their number: one reference each and some room between, where a dictionary would keep a node, a key and a text. Thread-safe;
/// its locks are leaves.
/// </summary>
/// <remarks>Numbers are given one after another, so that the parts fill alike and the last bits place a connection well.</remarks>
internal sealed class ConnectionTable
{
    private const int Parts = 16;

    private readonly Part[] _parts = [.. Enumerable.Range(0, Parts).Select(static _ => new Part())];

    public void Add(WebSocketConnection connection)
    {
        if (!PartOf(connection.Number).TryAdd(connection))
        {
            throw new InvalidOperationException($"The connection {connection.Id} was registered twice.");
        }
    }

    public WebSocketConnection? Find(long number) => PartOf(number).Find(number);

    /// <summary>Whether it was there.</summary>
    public bool Remove(WebSocketConnection connection) => PartOf(connection.Number).Remove(connection.Number);

    /// <summary>All that are there while their part is looked at.</summary>
    public IEnumerable<WebSocketConnection> Enumerate()
    {
        foreach (Part part in _parts)
        {
            foreach (WebSocketConnection connection in part.ToArray())
            {
                yield return connection;
            }
        }
    }

    private Part PartOf(long number) => _parts[number & (Parts - 1)];

    /// <summary>An open-addressed table with linear probing: at most four fifths full, at least a quarter or small.</summary>
    /// <remarks>
    /// It grows by a quarter, not to twice: with many connections at rest the empty places would be seen, and each is put in and taken out but once.
    /// </remarks>
    private sealed class Part
    {
        private const int Smallest = 16;

        private readonly Lock _lock = new();
        private WebSocketConnection?[] _slots = new WebSocketConnection?[Smallest];
        private int _count;

        public bool TryAdd(WebSocketConnection connection)
        {
            lock (_lock)
            {
                int slot = SlotOf(connection.Number);
                if (_slots[slot] is not null)
                {
                    return false;
                }

                _slots[slot] = connection;
                if (++_count > _slots.Length * 4L / 5)
                {
                    Resize(_slots.Length + (_slots.Length / 4));
                }

                return true;
            }
        }

        public WebSocketConnection? Find(long number)
        {
            lock (_lock)
            {
                return _slots[SlotOf(number)];
            }
        }

        public bool Remove(long number)
        {
            lock (_lock)
            {
                int hole = SlotOf(number);
                if (_slots[hole] is null)
                {
                    return false;
                }

                // What was put further on because of it moves up, so that no search ends too early.
                for (int next = After(hole); _slots[next] is { } other; next = After(next))
                {
                    if (Distance(HomeOf(other.Number), next) >= Distance(hole, next))
                    {
                        _slots[hole] = other;
                        hole = next;
                    }
                }

                _slots[hole] = null;
                if (--_count < _slots.Length / 4 && _slots.Length > Smallest)
                {
                    Resize(Math.Max(Smallest, _slots.Length / 2));
                }

                return true;
            }
        }

        public WebSocketConnection[] ToArray()
        {
            lock (_lock)
            {
                var all = new WebSocketConnection[_count];
                int at = 0;
                foreach (WebSocketConnection? connection in _slots)
                {
                    if (connection is not null)
                    {
                        all[at++] = connection;
                    }
                }

                return all;
            }
        }

        // Where the number is, or would be.
        private int SlotOf(long number)
        {
            int slot = HomeOf(number);
            while (_slots[slot] is { } other && other.Number != number)
            {
                slot = After(slot);
            }

            return slot;
        }

        private int HomeOf(long number) => (int)((ulong)(number / Parts) % (uint)_slots.Length);

        private int After(int slot) => slot + 1 == _slots.Length ? 0 : slot + 1;

        private int Distance(int from, int to) => to >= from ? to - from : to - from + _slots.Length;

        private void Resize(int size)
        {
            WebSocketConnection?[] before = _slots;
            _slots = new WebSocketConnection?[size];
            foreach (WebSocketConnection? connection in before)
            {
                if (connection is not null)
                {
                    _slots[SlotOf(connection.Number)] = connection;
                }
            }
        }
    }
}
