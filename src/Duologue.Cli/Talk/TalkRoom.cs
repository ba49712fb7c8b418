using System.Text.Json;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Talk;

/// <summary>
/// The conversation of all who are here. What they do is appended to the log, and happens when the log applies it. Each thing that happens is told twice: as an event and as a line. One lock makes
/// one order of it for everybody; nothing under it waits, since telling and <see cref="Connection.Send(string)"/> do not. Thread-safe.
/// </summary>
internal sealed partial class TalkRoom
{
    /// <summary>What the names of the talk's own topics begin with.</summary>
    public const string TopicPrefix = "talk/";

    private const string Events = TopicPrefix + "events";
    private const string Lines = TopicPrefix + "lines";
    private const string Clock = TopicPrefix + "clock";

    private readonly Lock _gate = new();
    private readonly TalkLog _log;
    private readonly TalkAudience _audience;
    private readonly TimeProvider _timeProvider;
    private readonly int _maxFile;

    // Of this process, by connection and by key.
    private readonly Dictionary<string, TalkMember> _members = [];
    private readonly Dictionary<string, TalkMember> _byKey = [];

    // Of all processes; the same on each that has applied the same entries.
    private readonly People _people = [];
    private readonly TalkHistory _history;
    private string _talk = "";
    private int _lastId;
    private int _lastSeq;

    public TalkRoom(TalkLog log, TalkAudience audience, TimeProvider timeProvider, int maxFile)
    {
        (_log, _audience, _timeProvider, _maxFile, _history) = (log, audience, timeProvider, maxFile, new TalkHistory(maxFile));
        log.Attach(this);
    }

    private long Now => _timeProvider.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Lets a connection in: it is told what it should know, and the others that it is here. Completes when it is in, or has gone.</summary>
    public ValueTask JoinAsync(Connection connection, bool wantsEvents)
    {
        string kind = connection.Request?.Origin is null ? Person.Terminal : Person.Browser;
        string? name = SafeText.CleanName(TalkProtocol.FromQuery(connection.Request, "name"));

        // Whoever knows a key may take its place: it is told to nobody else, and is not to be guessed.
        string key = $"{_log.Node}.{Guid.NewGuid():N}";
        var joining = new Joining(key, name, kind, TalkProtocol.FromQuery(connection.Request, "was"));
        var member = new TalkMember(connection, wantsEvents, joining, new RateGate(_timeProvider)) { AskedAt = _timeProvider.GetTimestamp() };
        lock (_gate)
        {
            _members.Add(connection.Id, member);
            _byKey.Add(key, member);
        }

        _log.MakePresent(connection);
        _log.Post(joining);
        return member.Entered.IsCompleted ? ValueTask.CompletedTask : WaitAsync();

        async ValueTask WaitAsync() =>
            await member.Entered.WaitAsync(connection.Aborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Leave(Connection connection)
    {
        TalkMember? member;
        lock (_gate)
        {
            _audience.Forget(connection);
            if (_members.Remove(connection.Id, out member))
            {
                _byKey.Remove(member.Key);
            }
        }

        if (member is not null)
        {
            _log.Post(new Leaving(member.Key));
        }
    }

    /// <summary>Who is behind the connection; null once it has left.</summary>
    public TalkMember? Find(Connection connection)
    {
        lock (_gate)
        {
            return _members.GetValueOrDefault(connection.Id);
        }
    }

    public IReadOnlyList<string> ListNames()
    {
        lock (_gate)
        {
            return [.. _people.ById.Select(person => person.Name)];
        }
    }

    public ValueTask SayAsync(TalkMember member, string text, int? reference) => _log.AppendAsync(new Saying(member.Key, text, reference), default, CancellationToken.None);

    public ValueTask SendFileAsync(TalkMember member, FileHead head, ReadOnlyMemory<byte> content) =>
        _log.AppendAsync(new Filing(member.Key, SafeText.CleanFileName(head.Name), SafeText.CleanMediaType(head.Mime), head.Ref), content, CancellationToken.None);

    /// <summary>Gives the member the name, or one like it where it is taken.</summary>
    public ValueTask RenameAsync(TalkMember member, string name) => _log.AppendAsync(new Naming(member.Key, name), default, CancellationToken.None);

    /// <summary>Pushes the time to all who want it, unasked.</summary>
    public void PushClock()
    {
        lock (_gate)
        {
            _audience.Tell(Events, Encode(new Clock(Now, _people.Count)));
            _audience.Tell(Clock, TalkProtocol.ToLine($"it is {_timeProvider.GetUtcNow():HH:mm:ss} UTC"));
        }
    }

    public void AnswerPing(TalkMember member, long id) => member.Connection.Send(Encode(new Pong(id, Now)));

    /// <summary>Tells one member that something of theirs was not passed on, and why.</summary>
    public static void Refuse(TalkMember member, string why, int? reference) =>
        member.Connection.Send(member.WantsEvents ? Encode(new Refusal(why, reference)) : TalkProtocol.ToLine($"not sent: {why}"));

    // What follows happens in the log's order, under the lock.
    private void Happen(long place, long time, TalkEntry entry, byte[] content)
    {
        switch (entry)
        {
            case Joining joining:
                Join(joining, time);
                break;
            case Leaving leaving:
                Leave(leaving.Key, time);
                break;
            case Naming naming when Knows(naming.Key, null):
                Rename(naming, time);
                break;
            case Saying saying when Knows(saying.Key, saying.Ref):
                var said = new Said(saying.Text) { Seq = ++_lastSeq, Time = time, From = _people[saying.Key] };
                _history.Add(place, said, null);
                _audience.Tell(Events, Encode(said));
                _audience.Tell(Lines, TalkProtocol.ToLine(said));
                break;
            case Filing filing when Knows(filing.Key, filing.Ref):
                var file = new FileSent(filing.Name, filing.Mime, content.Length, null) { Seq = ++_lastSeq, Time = time, From = _people[filing.Key] };
                _history.Add(place, file, content);
                Tell(file, content, _byKey.GetValueOrDefault(filing.Key), filing.Ref);
                break;
        }
    }

    private void Join(Joining joining, long time)
    {
        if (_people.Contains(joining.Key))
        {
            // It had asked twice.
            return;
        }

        if (joining.Was is { } was && _people.Contains(was))
        {
            // It is back before its former line was known to be dead. That has no place any more.
            if (_byKey.Remove(was, out TalkMember? former))
            {
                _members.Remove(former.Connection.Id);
                _audience.Forget(former.Connection);
                former.Connection.Abort();
            }

            Leave(was, time);
        }

        int id = ++_lastId;
        var person = new Person(id, _people.FindFree(joining.Name ?? $"guest-{id}", id), joining.Kind);
        Publish(new Joined(time, person), $"{person.Name} joined from a {person.Kind}");
        _people.Add(joining.Key, person);
        Enter(joining.Key, person);
    }

    private void Leave(string key, long time)
    {
        if (!_people.Remove(key, out Person? person))
        {
            return;
        }

        if (_byKey.GetValueOrDefault(key) is { } member)
        {
            // Another node took this one for dead: who is here comes again.
            PutOut(member);
        }

        Publish(new Left(time, person), $"{person.Name} left");
    }

    private void Rename(Naming naming, long time)
    {
        Person before = _people[naming.Key];
        Person person = _people.Rename(naming.Key, naming.Name);
        if (person.Name != before.Name)
        {
            if (_byKey.GetValueOrDefault(naming.Key) is { } member)
            {
                member.Person = person;
            }

            Publish(new Named(time, person, before.Name), $"{before.Name} is now {person.Name}");
        }
    }

    // The sender has the file: it is told that it was passed on, and left out while the others get it.
    private void Tell(FileSent file, byte[] content, TalkMember? sender, int? reference)
    {
        string own = sender?.WantsEvents == true ? Events : Lines;
        if (sender is not null)
        {
            _audience.Remove(sender.Connection, own);
        }

        _audience.Tell(Events, TalkProtocol.EncodeFile(file, content), MessageType.Binary);
        string line = TalkProtocol.ToLine($"{file.From.Name} sent {file.Name} ({file.Mime}, {ByteSize.Describe(file.Size)})");
        _audience.Tell(Lines, line);
        _audience.Tell(Lines, content, MessageType.Binary);
        if (sender is not null)
        {
            sender.Connection.Send(sender.WantsEvents ? Encode(file with { Ref = reference }) : line);
            _audience.Add(sender.Connection, own);
        }
    }

    /// <summary>Lets one of this process in, as whom the log has it.</summary>
    private void Enter(string key, Person person)
    {
        if (_byKey.GetValueOrDefault(key) is not { } member)
        {
            return;
        }

        bool isAgain = member.Entered.IsCompleted;
        member.Person = person;
        if (member.WantsEvents)
        {
            Greet(member, person);
            _audience.Add(member.Connection, Events);
            return;
        }

        if (isAgain)
        {
            member.Connection.Send(TalkProtocol.ToLine($"you are in the talk again, as {person.Name}; something said meanwhile may be missing"));
        }
        else
        {
            TellHistory(member);
        }

        _audience.Add(member.Connection, Lines);
        if (TalkProtocol.FromQuery(member.Connection.Request, "clock") is not null)
        {
            _audience.Add(member.Connection, Clock);
        }
    }

    private bool Knows(string key, int? reference)
    {
        bool knows = _people.Contains(key);
        if (!knows && _byKey.GetValueOrDefault(key) is { } member)
        {
            Refuse(member, "The others had been told that you left. You are let in again; then say it again.", reference);
        }

        return knows;
    }

    private void Greet(TalkMember member, Person you)
    {
        var bounds = new Bounds(TalkLimits.Text, TalkLimits.Name, _maxFile, TalkLimits.PerSecond);
        member.Connection.Send(Encode(new Welcome(_talk, member.Key, Now, you, [.. _people.ById], bounds)));
        foreach (TalkHistory.Entry entry in _history.Entries)
        {
            Utterance past = entry.Utterance with { Past = true };
            if (past is FileSent file && entry.File is not null)
            {
                member.Connection.Send(TalkProtocol.EncodeFile(file, entry.File), MessageType.Binary);
            }
            else
            {
                member.Connection.Send(Encode(past));
            }
        }
    }

    // Only for those who ask: a script that sends a line and takes the first answer must not be given an old one.
    private void TellHistory(TalkMember member)
    {
        string? wanted = TalkProtocol.FromQuery(member.Connection.Request, "history");
        int count = wanted is null ? 0 : int.TryParse(wanted, out int number) ? number : TalkLimits.History;
        foreach (Said said in _history.Entries.Select(entry => entry.Utterance).OfType<Said>().TakeLast(count))
        {
            member.Connection.Send(TalkProtocol.ToLine(said));
        }
    }

    private void Publish(TalkEvent happening, string line)
    {
        _audience.Tell(Events, Encode(happening));
        _audience.Tell(Lines, TalkProtocol.ToLine(line));
    }

    private static string Encode(TalkEvent happening) => JsonSerializer.Serialize(happening, TalkJson.Default.TalkEvent);
}
