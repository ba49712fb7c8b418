using System.Text;

namespace Duologue.Protocol.Handshake;

/// <summary>Reads headers that are comma-separated lists and may come in several lines (RFC 9110 §5.6.1).</summary>
/// <remarks>
/// Generic over the list of lines, so that a struct such as ASP.NET Core's StringValues is read without boxing.
/// A null list, or a null line, counts as absent.
/// </remarks>
internal static class HeaderList
{
    /// <summary>The most characters of one list header over all its lines. A browser's own are below 200.</summary>
    public const int MaxLength = 8192;

    /// <summary>The most elements of one list header; it bounds the search for duplicates.</summary>
    public const int MaxElements = 100;

    public static int Count<TValues>(TValues values)
        where TValues : IReadOnlyList<string?> => values is null ? 0 : values.Count;

    /// <summary>All characters of all lines.</summary>
    public static int Length<TValues>(TValues values)
        where TValues : IReadOnlyList<string?>
    {
        int length = 0;
        for (int i = 0; i < Count(values); i++)
        {
            length += values[i]?.Length ?? 0;
        }

        return length;
    }

    /// <summary>Whether one element equals the token, without regard to ASCII case.</summary>
    public static bool ContainsIgnoreCase<TValues>(TValues values, ReadOnlySpan<char> token)
        where TValues : IReadOnlyList<string?>
    {
        foreach (ReadOnlySpan<char> element in Elements(values))
        {
            if (Ascii.EqualsIgnoreCase(element, token))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The elements of all lines in order, trimmed; empty ones are skipped (RFC 9110 §5.6.1.2).</summary>
    public static ElementEnumerator<TValues> Elements<TValues>(TValues values)
        where TValues : IReadOnlyList<string?> => new(values);

    /// <summary>Trims optional white space: spaces and tabs (RFC 9110 §5.6.3).</summary>
    public static ReadOnlySpan<char> Trim(ReadOnlySpan<char> text) => text.Trim(" \t");

    public ref struct ElementEnumerator<TValues>
        where TValues : IReadOnlyList<string?>
    {
        private readonly TValues _values;
        private int _next;
        private ReadOnlySpan<char> _rest;

        internal ElementEnumerator(TValues values) => _values = values;

        public ReadOnlySpan<char> Current { get; private set; }

        public readonly ElementEnumerator<TValues> GetEnumerator() => this;

        public bool MoveNext()
        {
            while (true)
            {
                while (_rest.IsEmpty)
                {
                    if (_next >= Count(_values))
                    {
                        return false;
                    }

                    _rest = _values[_next++];
                }

                int comma = _rest.IndexOf(',');
                Current = Trim(comma < 0 ? _rest : _rest[..comma]);
                _rest = comma < 0 ? default : _rest[(comma + 1)..];
                if (!Current.IsEmpty)
                {
                    return true;
                }
            }
        }
    }
}
