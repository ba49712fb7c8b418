using System.Numerics;
using System.Runtime.InteropServices;

namespace Duologue.AspNetCore;

/// <summary>
/// A set of valid patterns and names, which finds those that stand for a name without looking at each. Of one shape are those with as many segments and wildcards in the same places: which of them has the name's other segments,
/// a hash tells. So a search is a step for each shape, of some additions, however the patterns are made. Not safe across threads.
/// </summary>
internal sealed class PatternIndex
{
    // Of one character each, with the slashes between.
    private const int MaxSegments = (TopicName.MaxLength + 1) / 2;

    // What a segment's hash counts for in each place; odd, so that none of its bits is lost.
    private static readonly ulong[] Weights = [.. Enumerable.Range(0, MaxSegments).Select(_ => ((ulong)Random.Shared.NextInt64() << 1) | 1)];

    private readonly Dictionary<ShapeKey, Shape> _shapes = [];

    // By the number of their segments, of which "**" is none.
    private readonly List<Shape>?[] _closed = new List<Shape>?[MaxSegments + 1];
    private readonly List<Shape>?[] _open = new List<Shape>?[MaxSegments + 1];

    /// <param name="pattern">It must not be in the set.</param>
    public void Add(string pattern)
    {
        (ShapeKey key, ulong hash) = Read(pattern);
        ref Shape? shape = ref CollectionsMarshal.GetValueRefOrAddDefault(_shapes, key, out bool isThere);
        if (!isThere)
        {
            List<Shape> alike = ListOf(key);
            shape = new Shape(key, alike.Count);
            alike.Add(shape);
        }

        shape!.Add(pattern, hash);
    }

    /// <param name="pattern">It must be in the set.</param>
    public void Remove(string pattern)
    {
        (ShapeKey key, ulong hash) = Read(pattern);
        Shape shape = _shapes[key];
        shape.Remove(pattern, hash);
        if (shape.IsEmpty)
        {
            _shapes.Remove(key);
            List<Shape> alike = ListOf(key);
            alike[shape.Place] = alike[^1];
            alike[shape.Place].Place = shape.Place;
            alike.RemoveAt(alike.Count - 1);
        }
    }

    /// <summary>Gathers the patterns that stand for a valid name; null if none does.</summary>
    public List<string>? Find(string name)
    {
        // What others have written to the broker is heard of unchecked, and no name has so many segments.
        if (name.AsSpan().Count('/') >= MaxSegments)
        {
            return null;
        }

        Span<ulong> weighed = stackalloc ulong[MaxSegments];
        Span<ulong> sums = stackalloc ulong[MaxSegments + 1];
        int count = 0;
        sums[0] = 0;
        for (int at = 0; at <= name.Length; count++)
        {
            ReadOnlySpan<char> segment = TopicName.SegmentAt(name, at);
            weighed[count] = Weigh(segment, count);
            sums[count + 1] = sums[count] + weighed[count];
            at += segment.Length + 1;
        }

        List<string>? found = null;
        Find(_closed[count], name, weighed, sums[count], ref found);
        for (int i = 0; i < count; i++)
        {
            Find(_open[i], name, weighed, sums[i], ref found);
        }

        return found;
    }

    private static void Find(List<Shape>? shapes, string name, ReadOnlySpan<ulong> weighed, ulong sum, ref List<string>? found)
    {
        foreach (Shape shape in CollectionsMarshal.AsSpan(shapes))
        {
            shape.Find(shape.Hash(weighed, sum), name, ref found);
        }
    }

    private static (ShapeKey Key, ulong Hash) Read(string pattern)
    {
        (UInt128 wild, ulong hash, int count) = (0, 0, 0);
        for (int at = 0; at <= pattern.Length;)
        {
            ReadOnlySpan<char> segment = TopicName.SegmentAt(pattern, at);
            if (segment is "**")
            {
                return (new ShapeKey(wild, count, IsOpen: true), hash);
            }

            if (segment is "*")
            {
                wild |= UInt128.One << count;
            }
            else
            {
                hash += Weigh(segment, count);
            }

            count++;
            at += segment.Length + 1;
        }

        return (new ShapeKey(wild, count, IsOpen: false), hash);
    }

    // The hash of strings is seeded, so that nobody can choose segments that have the same.
    private static ulong Weigh(ReadOnlySpan<char> segment, int place) => ((ulong)(uint)string.GetHashCode(segment) + 1) * Weights[place];

    private List<Shape> ListOf(ShapeKey key) => (key.IsOpen ? _open : _closed)[key.Count] ??= [];

    /// <summary>What patterns have in common that differ in their literal segments only.</summary>
    /// <param name="Wild">The places of <c>*</c>, from the lowest bit on.</param>
    /// <param name="Count">The segments without <c>**</c>.</param>
    /// <param name="IsOpen">Whether <c>**</c> is the last.</param>
    private readonly record struct ShapeKey(UInt128 Wild, int Count, bool IsOpen);

    /// <summary>The patterns of one shape, by the hash of their literal segments.</summary>
    private sealed class Shape
    {
        // The places of the literal segments, or those of the wildcards if they are fewer.
        private readonly ulong _lower;
        private readonly ulong _upper;
        private readonly bool _isOfWild;

        // One needs no table.
        private string? _only;
        private ulong _onlyHash;
        private Dictionary<ulong, string>? _byHash;

        // Those that have a hash that another has.
        private List<string>? _others;

        public Shape(ShapeKey key, int place)
        {
            Place = place;
            UInt128 all = key.Count == MaxSegments ? UInt128.MaxValue : (UInt128.One << key.Count) - 1;
            _isOfWild = 2 * (int)UInt128.PopCount(key.Wild) < key.Count;
            UInt128 places = _isOfWild ? key.Wild : all & ~key.Wild;
            (_lower, _upper) = ((ulong)places, (ulong)(places >> 64));
        }

        /// <summary>Where it stands among those with as many segments.</summary>
        public int Place { get; set; }

        public bool IsEmpty => _only is null && _byHash is not { Count: > 0 } && _others is not { Count: > 0 };

        public void Add(string pattern, ulong hash)
        {
            if (IsEmpty)
            {
                (_only, _onlyHash) = (pattern, hash);
                return;
            }

            _byHash ??= [];
            if (_only is not null)
            {
                _byHash.Add(_onlyHash, _only);
                _only = null;
            }

            if (!_byHash.TryAdd(hash, pattern))
            {
                (_others ??= []).Add(pattern);
            }
        }

        public void Remove(string pattern, ulong hash)
        {
            if (_only is not null)
            {
                _only = null;
            }
            else if (_byHash!.TryGetValue(hash, out string? found) && found == pattern)
            {
                _byHash.Remove(hash);
                if (_byHash.Capacity > 4 * (_byHash.Count + 4))
                {
                    _byHash.TrimExcess(2 * _byHash.Count);
                }
            }
            else
            {
                _others!.Remove(pattern);
            }
        }

        /// <summary>The hash of a name's segments where the patterns have literal ones.</summary>
        /// <param name="weighed">The name's segments.</param>
        /// <param name="sum">Of as many as the patterns have.</param>
        public ulong Hash(ReadOnlySpan<ulong> weighed, ulong sum)
        {
            ulong hash = 0;
            for (ulong places = _lower; places != 0; places &= places - 1)
            {
                hash += weighed[BitOperations.TrailingZeroCount(places)];
            }

            for (ulong places = _upper; places != 0; places &= places - 1)
            {
                hash += weighed[64 + BitOperations.TrailingZeroCount(places)];
            }

            return _isOfWild ? sum - hash : hash;
        }

        public void Find(ulong hash, string name, ref List<string>? found)
        {
            if (_only is not null)
            {
                if (_onlyHash == hash)
                {
                    Judge(_only, name, ref found);
                }

                return;
            }

            if (_byHash!.TryGetValue(hash, out string? one))
            {
                Judge(one, name, ref found);
            }

            foreach (string other in CollectionsMarshal.AsSpan(_others))
            {
                Judge(other, name, ref found);
            }
        }

        // The hash may be another's.
        private static void Judge(string pattern, string name, ref List<string>? found)
        {
            if (TopicName.Matches(pattern, name))
            {
                (found ??= []).Add(pattern);
            }
        }
    }
}
