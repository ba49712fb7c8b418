using Duologue.AspNetCore;

namespace Duologue.Cli.Talk;

/// <summary>What is done in the talk, in one order for everybody: an entry that was appended is applied to the room when its turn comes.</summary>
internal abstract class TalkLog
{
    /// <summary>What the keys of this process's people begin with, other at each start.</summary>
    public string Node { get; } = Guid.NewGuid().ToString("N")[..12];

    /// <summary>Whether other processes read it.</summary>
    public abstract bool IsShared { get; }

    /// <summary>Begins to apply what is appended.</summary>
    public abstract void Attach(TalkRoom room);

    /// <summary>Appends an entry, and what stands behind it.</summary>
    /// <exception cref="BrokerUnavailableException">It could not be appended.</exception>
    public abstract ValueTask AppendAsync(TalkEntry entry, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>The same, where nobody waits for it.</summary>
    public abstract void Post(TalkEntry entry);

    /// <summary>Makes known that somebody is in the talk by this process.</summary>
    public abstract void MakePresent(Connection connection);

    /// <summary>Which process somebody's key is of.</summary>
    public static string NodeOf(string key) => key.Split('.')[0];
}

/// <summary>The log of a talk that is this process's own: each entry is applied as it comes. Thread-safe.</summary>
internal sealed class OwnLog(TimeProvider timeProvider) : TalkLog
{
    private readonly Lock _gate = new();
    private readonly Queue<(TalkEntry Entry, byte[] Content)> _waiting = new();
    private TalkRoom? _room;
    private bool _isApplying;
    private long _place;

    public override bool IsShared => false;

    public override void Attach(TalkRoom room)
    {
        _room = room;
        Post(new Beginning(Node, 0));
    }

    public override ValueTask AppendAsync(TalkEntry entry, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        Append(entry, content.ToArray());
        return ValueTask.CompletedTask;
    }

    public override void Post(TalkEntry entry) => Append(entry, []);

    public override void MakePresent(Connection connection)
    {
        // There is nobody else to know it.
    }

    private void Append(TalkEntry entry, byte[] content)
    {
        lock (_gate)
        {
            _waiting.Enqueue((entry, content));

            // Who takes nothing any more may be closed by what is sent, and leaves at once: that is applied behind what made it so.
            if (!_isApplying)
            {
                _isApplying = true;
                while (_waiting.TryDequeue(out (TalkEntry Entry, byte[] Content) next))
                {
                    _room!.Apply(++_place, timeProvider.GetUtcNow(), next.Entry, next.Content);
                }

                _isApplying = false;
            }
        }
    }
}
