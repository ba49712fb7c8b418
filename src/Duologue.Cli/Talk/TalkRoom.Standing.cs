namespace Duologue.Cli.Talk;

/// <content>
/// How a process comes to know how the talk stands: by all entries from its beginning, or by one that says it, from which it applies those that follow. Then it knows what all others know.
/// </content>
internal sealed partial class TalkRoom
{
    /// <summary>After how many entries it is written how the talk stands, so that a process which starts finds it in the log.</summary>
    public const int EntriesPerStanding = 250;

    private const int BytesPerStanding = 1024 * 1024;

    // Presence comes a moment later than what somebody does, and is late after an interruption. By sweeps, not by time: a process that was held up has not looked meanwhile.
    private const int AbsencesOfGone = 5;

    // Longer than other nodes take to answer; shorter than somebody waits before the page.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly List<(long Place, long Time, TalkEntry Entry, byte[] Content)> _early = [];
    private readonly Dictionary<string, int> _absences = [];
    private bool _stands;
    private long _lastPlace;
    private long _askedAt;
    private int _sinceStanding;
    private long _bytesSinceStanding;

    /// <summary>An entry's turn has come.</summary>
    /// <param name="place">Its place in the log; they ascend by one.</param>
    /// <param name="time">When it was appended.</param>
    /// <param name="entry">The entry.</param>
    /// <param name="content">What stands behind it.</param>
    public void Apply(long place, DateTimeOffset time, TalkEntry entry, byte[] content)
    {
        lock (_gate)
        {
            _lastPlace = place;
            if (entry is Beginning beginning)
            {
                if (beginning.Behind == place - 1)
                {
                    _early.ForEach(early => RefuseLost(early.Entry));
                    Begin(beginning.Talk);
                }
            }
            else if (_stands)
            {
                Happen(place, time.ToUnixTimeMilliseconds(), entry, content);
                Tally(place, entry, content.Length);
            }
            else
            {
                _early.Add((place, time.ToUnixTimeMilliseconds(), entry, content));
                if (entry is Standing standing && standing.At >= _early[0].Place - 1)
                {
                    Stand(standing);
                }
            }
        }
    }

    /// <summary>Entries are missing, or all are still to be read: how the talk stands is not known.</summary>
    public void Lose()
    {
        lock (_gate)
        {
            _stands = false;
            _early.Clear();
        }
    }

    /// <summary>All that the log has is applied. If that does not say how the talk stands, others are asked; where there is nothing, it begins.</summary>
    public void CatchUp(long place)
    {
        lock (_gate)
        {
            _lastPlace = place;
            if (!_stands)
            {
                _askedAt = _timeProvider.GetTimestamp();
                _log.Post(place == 0 ? new Beginning(_log.Node, 0) : new Asking(_log.Node));
            }
        }
    }

    /// <summary>Finds out what has to be written and was not: by this process, or by one that is no more.</summary>
    /// <param name="isPresent">Whether anybody is in the talk by a process.</param>
    public void Sweep(Func<string, bool> isPresent)
    {
        lock (_gate)
        {
            long now = _timeProvider.GetTimestamp();
            if (!_stands)
            {
                if (_timeProvider.GetElapsedTime(_askedAt, now) > Patience)
                {
                    // Nobody knows it.
                    _askedAt = now;
                    _log.Post(new Beginning($"{_log.Node}-{_lastPlace}", _lastPlace));
                }

                return;
            }

            foreach (TalkMember member in _byKey.Values.Where(member => !_people.Contains(member.Key) && _timeProvider.GetElapsedTime(member.AskedAt, now) > Patience))
            {
                Ask(member);
            }

            foreach (IGrouping<string, string> node in _people.Keys.GroupBy(TalkLog.NodeOf))
            {
                foreach (string key in node.Key == _log.Node ? node.Where(key => !_byKey.ContainsKey(key)) : IsGone(node.Key, isPresent) ? node : [])
                {
                    _log.Post(new Leaving(key));
                }
            }
        }
    }

    private bool IsGone(string node, Func<string, bool> isPresent)
    {
        if (isPresent(node))
        {
            _absences.Remove(node);
            return false;
        }

        _absences[node] = _absences.GetValueOrDefault(node) + 1;
        return _absences[node] > AbsencesOfGone;
    }

    private void Begin(string talk)
    {
        (_talk, _lastId, _lastSeq, _stands) = (talk, 0, 0, true);
        (_sinceStanding, _bytesSinceStanding) = (0, 0);
        _people.Clear();
        _history.Clear();
        _early.Clear();
        foreach (TalkMember member in _byKey.Values)
        {
            PutOut(member);
        }
    }

    // What was said while nobody knew how the talk stands is not of the one that begins.
    private void RefuseLost(TalkEntry entry)
    {
        (string key, int? reference) = entry switch
        {
            Saying saying => (saying.Key, saying.Ref),
            Filing filing => (filing.Key, filing.Ref),
            _ => ("", null),
        };
        if (_byKey.GetValueOrDefault(key) is { } member)
        {
            Refuse(member, "The talk begins anew, as what was known of it is lost. Say it again.", reference);
        }
    }

    private void Stand(Standing standing)
    {
        var contents = _early.Where(early => early.Entry is Filing).ToDictionary(early => early.Place, early => early.Content);
        var later = _early.Where(early => early.Place > standing.At).ToArray();
        Begin(standing.Talk);
        (_lastId, _lastSeq) = (standing.LastId, standing.LastSeq);
        foreach (Past past in standing.History)
        {
            if (past.Utterance is Utterance utterance)
            {
                _history.Add(past.Place, utterance, contents.GetValueOrDefault(past.Place));
            }
        }

        foreach (Present present in standing.People)
        {
            _people.Add(present.Key, present.Person);
        }

        foreach (Present present in standing.People)
        {
            Enter(present.Key, present.Person);
        }

        foreach ((long place, long time, TalkEntry entry, byte[] content) in later)
        {
            Happen(place, time, entry, content);
        }
    }

    private void Tally(long place, TalkEntry entry, int bytes)
    {
        _sinceStanding++;
        _bytesSinceStanding += bytes;
        bool isDue = _sinceStanding >= EntriesPerStanding || _bytesSinceStanding >= BytesPerStanding;
        switch (entry)
        {
            case Standing:
                (_sinceStanding, _bytesSinceStanding) = (0, 0);
                break;

            // All know it alike, and one is enough to say it: whose entry made it due.
            case Asking asking when asking.Node != _log.Node:
            case Joining joining when IsMine(joining.Key):
            case Leaving leaving when IsMine(leaving.Key):
            case Naming naming when IsMine(naming.Key):
            case Saying saying when IsMine(saying.Key):
            case Filing filing when IsMine(filing.Key):
                (_sinceStanding, _bytesSinceStanding) = (0, 0);
                _log.Post(new Standing(
                    place, _talk, _lastId, _lastSeq,
                    [.. _people.Select(each => new Present(each.Key, each.Value))],
                    [.. _history.Entries.Select(each => new Past(each.Place, each.Utterance))]));
                break;
        }

        bool IsMine(string key) => isDue && _log.IsShared && TalkLog.NodeOf(key) == _log.Node;
    }

    private void PutOut(TalkMember member)
    {
        if (member.Person is not null)
        {
            member.Person = null;
            _audience.Forget(member.Connection);
        }

        Ask(member);
    }

    private void Ask(TalkMember member)
    {
        member.AskedAt = _timeProvider.GetTimestamp();
        _log.Post(member.Joining);
    }
}
