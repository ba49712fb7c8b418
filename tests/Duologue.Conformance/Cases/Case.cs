using Duologue.Conformance.Deflate;
using Duologue.Conformance.Judge;

namespace Duologue.Conformance.Cases;

/// <summary>Which role of Duologue a case is for.</summary>
internal enum Judged
{
    Both,
    Server,
    Client,
}

/// <summary>The limits that the judged peer runs with.</summary>
internal enum Profile
{
    /// <summary>The product's defaults, but for a close timeout that a busy machine does not reach.</summary>
    Default,

    /// <summary>Messages up to 32 MiB, any number of fragments and control frames.</summary>
    Roomy,

    /// <summary>A close timeout of half a second.</summary>
    Hasty,

    /// <summary>As Roomy, with permessage-deflate and a window of 15 bits, for volume.</summary>
    RoomyDedicated,

    /// <summary>permessage-deflate without context takeover.</summary>
    Shared,

    /// <summary>permessage-deflate with a window of 15 bits.</summary>
    Dedicated15,

    /// <summary>permessage-deflate with a window of 12 bits.</summary>
    Dedicated12,

    /// <summary>permessage-deflate with a window of 9 bits.</summary>
    Dedicated9,
}

/// <summary>What the hostile peer does once it has made the judged one send its Close.</summary>
internal enum Tail
{
    /// <summary>Finishes the frame it was sending, if that can be done, and answers with a Close.</summary>
    Answer,

    /// <summary>Says nothing more and waits for the end.</summary>
    Silent,

    /// <summary>Sends 64 KiB more right behind the violation, and a Close at last.</summary>
    More,

    /// <summary>Sends 64 KiB more right behind the violation, and no Close.</summary>
    MoreSilent,

    /// <summary>Goes on sending until the end. The end may then be a reset, but it must come.</summary>
    Flood,

    /// <summary>Ends its own direction when the Close has come.</summary>
    End,
}

/// <summary>How bytes are cut into writes.</summary>
internal sealed record Cut(int Every, bool PerFrame, int[] At)
{
    public static readonly Cut None = new(0, false, []);
    public static readonly Cut Bytes = new(1, false, []);
    public static readonly Cut Frames = new(0, true, []);

    public static Cut EveryBytes(int count) => new(count, false, []);

    public static Cut AtBytes(params int[] positions) => new(0, false, positions);

    public override string ToString() => (Every, PerFrame, At.Length) switch
    {
        (1, _, _) => "cut to bytes",
        ( > 0, _, _) => $"cut every {Every} bytes",
        (_, true, _) => "a write per frame",
        (_, _, > 0) => $"cut at {string.Join(", ", At)}",
        _ => "in one write",
    };
}

internal abstract record Step;

/// <summary>Sends frames.</summary>
internal sealed record SendStep(IReadOnlyList<Frame> Frames, Cut Cut) : Step;

/// <summary>Waits until so many messages and pongs in all have come back: what was sent so far is known to have been taken.</summary>
internal sealed record AwaitStep(int Messages, int Pongs, bool Close) : Step;

/// <summary>Ends our direction.</summary>
internal sealed record EndStep : Step;

/// <summary>A line of the table: what is sent, with its cuts, and what must come back. Immutable; every method gives a new one.</summary>
internal sealed record Case(string Id, string Section, string Title)
{
    public IReadOnlyList<Step> Steps { get; init; } = [];

    /// <summary>The messages that must come back, in order, and no other.</summary>
    public IReadOnlyList<Frame> Echoes { get; init; } = [];

    /// <summary>The payloads of the pongs that must come back, in order, and no other.</summary>
    public IReadOnlyList<byte[]> Pongs { get; init; } = [];

    /// <summary>Whether all pongs must come before the first message.</summary>
    public bool PongsLead { get; init; }

    /// <summary>A code that stands for any that may be sent: the two Closes cross, and either may be first.</summary>
    public const int AnyCode = -1;

    /// <summary>Adds what is too large to be kept in the table; called when the case is played.</summary>
    public Func<Case, Case>? Later { get; init; }

    /// <summary>Adds what depends on the terms of the compression; called when they are settled.</summary>
    public Func<Case, DeflateTerms, Case>? Compressed { get; init; }

    /// <summary>Whether the judged server may do without the extension that is offered.</summary>
    public bool MayDecline { get; init; }

    /// <summary>Whether the judged server must do without it.</summary>
    public bool MustDecline { get; init; }

    /// <summary>Whether at least one message must come back compressed.</summary>
    public bool MustCompress { get; init; }

    /// <summary>A code that will do as well, where the RFCs name none.</summary>
    public int OtherCode { get; init; }

    /// <summary>The code of the judged peer's Close; 1005 for an empty one.</summary>
    public int Code { get; init; } = 1000;

    /// <summary>Whether the judged peer closes by itself; otherwise the hostile one does when all has come back.</summary>
    public bool ClosesItself { get; init; }

    /// <summary>The reason that must come with the Close, where the case is about it.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether there is no Close at all: the connection just ends.</summary>
    public bool NoClose { get; init; }

    /// <summary>Whether the peer has ended its direction right behind what it sent: over stock Kestrel the end of the answer may be lost then; see docs/conformance.md.</summary>
    public bool IsHalfClosed { get; init; }

    /// <summary>Whether the end may be a reset.</summary>
    public bool AnyEnd { get; init; }

    public Tail Tail { get; init; }

    public Judged Judged { get; init; }

    public Profile Profile { get; init; }

    /// <summary>The extensions to offer (as a client) or to answer (as a server); null for none.</summary>
    public string? Extensions { get; init; }

    /// <summary>Whether it is left out of the quick run.</summary>
    public bool StrictOnly { get; init; }

    /// <summary>Whether it moves so much that few should run side by side.</summary>
    public bool Heavy { get; init; }

    public Case Send(params Frame[] frames) => Send(Cut.None, frames);

    public Case Send(Cut cut, params Frame[] frames) => this with { Steps = [.. Steps, new SendStep(frames, cut)] };

    public Case Await(int messages, int pongs) => this with { Steps = [.. Steps, new AwaitStep(messages, pongs, false)] };

    public Case AwaitClose() => this with { Steps = [.. Steps, new AwaitStep(0, 0, true)] };

    /// <summary>Sends a message that is made only when the case is played.</summary>
    public Case SendLater(Func<Frame[]> frames, Cut cut, Func<Frame> echo) => this with { Later = c => c.Send(cut, frames()).Echo(echo()) };

    public Case EndSending() => this with { Steps = [.. Steps, new EndStep()] };

    public Case Echo(params Frame[] messages) => this with { Echoes = [.. Echoes, .. messages] };

    public Case Pong(params byte[][] payloads) => this with { Pongs = [.. Pongs, .. payloads] };

    /// <summary>The judged peer fails the connection with a code (RFC 6455 §7.1.7).</summary>
    public Case Fails(int code) => this with { Code = code, ClosesItself = true };

    /// <summary>The judged peer's Close has a code; the hostile peer has sent its own.</summary>
    public Case Closes(int code) => this with { Code = code, ClosesItself = true };

    public Case With(Tail tail) => this with { Tail = tail };

    public Case Only(Judged judged) => this with { Judged = judged };

    public Case On(Profile profile) => this with { Profile = profile };

    public Case Strict() => this with { StrictOnly = true };

    public Case Strict(bool strictOnly) => this with { StrictOnly = strictOnly };

    /// <summary>What was sent, in words, for the report.</summary>
    public string Describe()
    {
        if (Later is not null || Compressed is not null)
        {
            return Title;
        }

        var parts = new List<string>();
        foreach (Step step in Steps)
        {
            switch (step)
            {
                case SendStep send:
                    parts.Add(string.Join(" + ", send.Frames.Take(4)) + (send.Frames.Count > 4 ? $" … ({send.Frames.Count} frames)" : "") + (send.Cut == Cut.None ? "" : ", " + send.Cut));
                    break;
                case EndStep:
                    parts.Add("end");
                    break;
                default:
                    parts.Add("wait");
                    break;
            }
        }

        return string.Join("; ", parts);
    }
}
