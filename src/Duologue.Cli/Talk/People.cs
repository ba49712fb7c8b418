using System.Collections;
using System.Diagnostics.CodeAnalysis;

namespace Duologue.Cli.Talk;

/// <summary>Who is in the talk, by key and by name. The same on each process that has applied the same entries. Not safe across threads.</summary>
internal sealed class People : IEnumerable<KeyValuePair<string, Person>>
{
    // So many of one name are told apart by small numbers, which are looked for; those after them by their id.
    private const int LastCounted = 9;

    private readonly Dictionary<string, Person> _byKey = [];
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);

    public int Count => _byKey.Count;

    public IEnumerable<string> Keys => _byKey.Keys;

    public IEnumerable<Person> ById => _byKey.Values.OrderBy(person => person.Id);

    public Person this[string key] => _byKey[key];

    public bool Contains(string key) => _byKey.ContainsKey(key);

    public void Add(string key, Person person)
    {
        _byKey.Add(key, person);
        _names.Add(person.Name);
    }

    public bool Remove(string key, [NotNullWhen(true)] out Person? person)
    {
        bool removed = _byKey.Remove(key, out person);
        if (removed)
        {
            _names.Remove(person!.Name);
        }

        return removed;
    }

    public void Clear()
    {
        _byKey.Clear();
        _names.Clear();
    }

    /// <summary>Gives somebody the name, or one like it where another has it.</summary>
    public Person Rename(string key, string name)
    {
        Person before = _byKey[key];
        _names.Remove(before.Name);
        Person person = before with { Name = FindFree(name, before.Id) };
        _names.Add(person.Name);
        return _byKey[key] = person;
    }

    /// <summary>The name if nobody has it, otherwise with a number: 2 to 9, then the id. However many have it, few are looked for.</summary>
    public string FindFree(string name, int id)
    {
        string candidate = name;
        for (int number = 2; _names.Contains(candidate); number = number < LastCounted ? number + 1 : Math.Max(number + 1, id))
        {
            string suffix = $" {number}";
            int length = Math.Min(name.Length, TalkLimits.Name - suffix.Length);
            // Not between the halves of a surrogate pair.
            if (char.IsHighSurrogate(name[length - 1]))
            {
                length--;
            }

            candidate = name[..length] + suffix;
        }

        return candidate;
    }

    public IEnumerator<KeyValuePair<string, Person>> GetEnumerator() => _byKey.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
