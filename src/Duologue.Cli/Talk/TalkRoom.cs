using System.Text.Json;
using Duologue.Cli.Terminal;

namespace Duologue.Cli.Talk;

/// <summary>
/// The conversation of all who are here. Each thing that happens is published twice: as an event and as a line. One lock makes
/// one order of it for everybody; nothing under it waits, since publishing and <see cref="Connection.Send(string)"/> do not. Thread-safe.
/// </summary>
internal sealed class TalkRoom(TalkAudience audience, TimeProvider timeProvider, int maxFile)
{
    /// <summary>What the names of the talk's own topics begin with.</summary>
    public const string TopicPrefix = "talk/";

    private const string Events = TopicPrefix + "events";
    private const string Lines = TopicPrefix + "lines";
    private const string Clock = TopicPrefix + "clock";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, TalkMember> _members = [];
    private readonly TalkHistory _history = new(maxFile);
    private readonly string _run = Guid.NewGuid().ToString("N")[..12];
    private int _lastId;
    private int _lastSeq;

    private long Now => timeProvider.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>Lets a connection in, tells it what it should know, and tells the others.</summary>
    public void Join(Connection connection, bool wantsEvents)
    {
        string kind = connection.Request?.Origin is null ? Person.Terminal : Person.Browser;
        string? name = SafeText.CleanName(TalkProtocol.FromQuery(connection.Request, "name"));
        lock (_gate)
        {
            int id = ++_lastId;
            var person = new Person(id, Distinct(name ?? $"guest-{id}", 0), kind);
            var member = new TalkMember(connection, wantsEvents, person, new RateGate(timeProvider));
            Publish(new Joined(Now, person), $"{person.Name} joined from a {kind}");
            _members.Add(connection.Id, member);
            if (wantsEvents)
            {
                Greet(member);
                audience.Add(connection, Events);
            }
            else
            {
                TellHistory(member);
                audience.Add(connection, Lines);
                if (TalkProtocol.FromQuery(connection.Request, "clock") is not null)
                {
                    audience.Add(connection, Clock);
                }
            }
        }
    }

    public void Leave(Connection connection)
    {
        lock (_gate)
        {
            audience.Forget(connection);
            if (_members.Remove(connection.Id, out TalkMember? member))
            {
                Publish(new Left(Now, member.Person), $"{member.Person.Name} left");
            }
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
            return [.. _members.Values.Select(member => member.Person).OrderBy(person => person.Id).Select(person => person.Name)];
        }
    }

    public void Say(TalkMember member, string text)
    {
        lock (_gate)
        {
            var said = new Said(text) { Seq = ++_lastSeq, Time = Now, From = member.Person };
            _history.Add(said, null);
            audience.Tell(Events, Encode(said));
            audience.Tell(Lines, TalkProtocol.ToLine(said));
        }
    }

    public void SendFile(TalkMember member, FileHead head, ReadOnlySpan<byte> content)
    {
        byte[] kept = content.ToArray();
        lock (_gate)
        {
            var file = new FileSent(SafeText.CleanFileName(head.Name), SafeText.CleanMediaType(head.Mime), content.Length, null)
            {
                Seq = ++_lastSeq,
                Time = Now,
                From = member.Person,
            };
            _history.Add(file, kept);

            // The sender has the file: it is told that it was passed on, and left out while the others get it.
            string own = member.WantsEvents ? Events : Lines;
            audience.Remove(member.Connection, own);
            audience.Tell(Events, TalkProtocol.EncodeFile(file, kept), MessageType.Binary);
            string line = TalkProtocol.ToLine($"{file.From.Name} sent {file.Name} ({file.Mime}, {ByteSize.Describe(file.Size)})");
            audience.Tell(Lines, line);
            audience.Tell(Lines, kept, MessageType.Binary);
            member.Connection.Send(member.WantsEvents ? Encode(file with { Ref = head.Ref }) : line);
            audience.Add(member.Connection, own);
        }
    }

    /// <summary>Gives the member the name, or one like it where it is taken.</summary>
    public void Rename(TalkMember member, string name)
    {
        lock (_gate)
        {
            string before = member.Person.Name;
            string distinct = Distinct(name, member.Person.Id);
            if (distinct == before)
            {
                return;
            }

            member.Person = member.Person with { Name = distinct };
            Publish(new Named(Now, member.Person, before), $"{before} is now {distinct}");
        }
    }

    /// <summary>Pushes the time to all who want it, unasked.</summary>
    public void PushClock()
    {
        lock (_gate)
        {
            audience.Tell(Events, Encode(new Clock(Now, _members.Count)));
            audience.Tell(Clock, TalkProtocol.ToLine($"it is {timeProvider.GetUtcNow():HH:mm:ss} UTC"));
        }
    }

    public void AnswerPing(TalkMember member, long id) => member.Connection.Send(Encode(new Pong(id, Now)));

    /// <summary>Tells one member that something of theirs was not passed on, and why.</summary>
    public static void Refuse(TalkMember member, string why, int? reference) =>
        member.Connection.Send(member.WantsEvents ? Encode(new Refusal(why, reference)) : TalkProtocol.ToLine($"not sent: {why}"));

    private void Greet(TalkMember member)
    {
        Person[] people = [.. _members.Values.Select(each => each.Person).OrderBy(person => person.Id)];
        var bounds = new Bounds(TalkLimits.Text, TalkLimits.Name, maxFile, TalkLimits.PerSecond);
        member.Connection.Send(Encode(new Welcome(_run, Now, member.Person, people, bounds)));
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
        audience.Tell(Events, Encode(happening));
        audience.Tell(Lines, TalkProtocol.ToLine(line));
    }

    private string Distinct(string name, int ownId)
    {
        string candidate = name;
        for (int number = 2; IsTaken(candidate, ownId); number++)
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

    private bool IsTaken(string name, int ownId) =>
        _members.Values.Any(member => member.Person.Id != ownId && member.Person.Name.Equals(name, StringComparison.OrdinalIgnoreCase));

    private static string Encode(TalkEvent happening) => JsonSerializer.Serialize(happening, TalkJson.Default.TalkEvent);
}
