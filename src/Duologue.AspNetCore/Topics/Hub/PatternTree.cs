namespace Duologue.AspNetCore;

/// <summary>
/// A set of valid patterns and names, which finds those that stand for a name without looking at each: a burst trie over their segments. What begins alike lies together, and branches only once there is
/// much of it, so that one pattern of many segments does not cost a node for each. Not safe across threads.
/// </summary>
internal sealed class PatternTree
{
    // So many are compared one by one: to branch for them would save little time, and cost a node for each of their segments.
    private const int Few = 8;

    // The pattern that ends where this node is.
    private string? _end;

    // Those that go on from here: in a list while they are few, otherwise by their next segment.
    private int _count;
    private List<string>? _few = [];
    private Dictionary<string, PatternTree>? _literals;
    private PatternTree? _any;
    private string? _rest;

    private bool IsEmpty => _count == 0 && _end is null;

    /// <param name="pattern">It must not be in the set.</param>
    public void Add(string pattern) => Add(pattern, 0);

    /// <param name="pattern">It must be in the set.</param>
    public void Remove(string pattern) => Remove(pattern, 0);

    /// <summary>Gathers the patterns that stand for a valid name; null if none does.</summary>
    public List<string>? Find(string name)
    {
        List<string>? found = null;
        Find(name, 0, 0, ref found);
        return found;
    }

    // The places are those of the next segment, behind the end of the string if there is none.
    private void Add(string pattern, int at)
    {
        if (at > pattern.Length)
        {
            _end = pattern;
            return;
        }

        _count++;
        if (_few is null)
        {
            Branch(pattern, at);
            return;
        }

        _few.Add(pattern);
        if (_count > Few)
        {
            List<string> many = _few;
            (_few, _literals) = (null, new Dictionary<string, PatternTree>(StringComparer.Ordinal));
            many.ForEach(each => Branch(each, at));
        }
    }

    private void Branch(string pattern, int at)
    {
        ReadOnlySpan<char> segment = TopicName.SegmentAt(pattern, at);
        if (segment is "**")
        {
            _rest = pattern;
            return;
        }

        PatternTree? next = NextOf(segment);
        if (next is null)
        {
            next = new PatternTree();
            if (segment is "*")
            {
                _any = next;
            }
            else
            {
                _literals!.Add(segment.ToString(), next);
            }
        }

        next.Add(pattern, at + segment.Length + 1);
    }

    private void Remove(string pattern, int at)
    {
        if (at > pattern.Length)
        {
            _end = null;
            return;
        }

        _count--;
        if (_few is not null)
        {
            _few.Remove(pattern);
            return;
        }

        ReadOnlySpan<char> segment = TopicName.SegmentAt(pattern, at);
        if (segment is "**")
        {
            _rest = null;
        }
        else
        {
            PatternTree next = NextOf(segment)!;
            next.Remove(pattern, at + segment.Length + 1);
            if (next.IsEmpty)
            {
                Cut(segment);
            }
        }

        // Not as soon as they are few again, or one that comes and goes would build and fell it each time.
        if (_count <= Few / 2)
        {
            List<string> few = [];
            Gather(few);
            (_few, _literals, _any, _rest) = (few, null, null, null);
        }
    }

    private void Cut(ReadOnlySpan<char> segment)
    {
        if (segment is "*")
        {
            _any = null;
        }
        else
        {
            _literals!.GetAlternateLookup<ReadOnlySpan<char>>().Remove(segment);
        }
    }

    /// <summary>All that go on from here.</summary>
    private void Gather(List<string> into)
    {
        if (_few is not null)
        {
            into.AddRange(_few);
            return;
        }

        if (_rest is not null)
        {
            into.Add(_rest);
        }

        foreach (PatternTree next in _any is null ? _literals!.Values : _literals!.Values.Append(_any))
        {
            if (next._end is not null)
            {
                into.Add(next._end);
            }

            next.Gather(into);
        }
    }

    private void Find(string name, int nameAt, int patternAt, ref List<string>? found)
    {
        if (nameAt > name.Length)
        {
            if (_end is not null)
            {
                (found ??= []).Add(_end);
            }

            return;
        }

        if (_few is not null)
        {
            foreach (string pattern in _few)
            {
                if (TopicName.Matches(pattern.AsSpan(patternAt), name.AsSpan(nameAt)))
                {
                    (found ??= []).Add(pattern);
                }
            }

            return;
        }

        if (_rest is not null)
        {
            (found ??= []).Add(_rest);
        }

        ReadOnlySpan<char> segment = TopicName.SegmentAt(name, nameAt);
        NextOf(segment)?.Find(name, nameAt + segment.Length + 1, patternAt + segment.Length + 1, ref found);
        _any?.Find(name, nameAt + segment.Length + 1, patternAt + "*/".Length, ref found);
    }

    // No name has a segment "*", so that to look for one by a name's segment finds literals only.
    private PatternTree? NextOf(ReadOnlySpan<char> segment) =>
        segment is "*" ? _any : _literals!.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(segment, out PatternTree? next) ? next : null;
}
