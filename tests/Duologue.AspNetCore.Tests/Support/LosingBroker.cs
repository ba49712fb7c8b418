namespace Duologue.AspNetCore.Tests.Support;

/// <summary>
/// A broker elsewhere that loses things, by chance: notifications, the end of its log, or all of it, as a store does whose replica takes over behind, or that is flushed. Then the numbering goes on under a new epoch, and up to
/// where it has the old one is remembered. One topic.
/// </summary>
internal sealed class LosingBroker(int seed, int maxCount) : Broker
{
    private const string Name = "model";

    private readonly Lock _lock = new();
    private readonly Random _random = new(seed);
    private readonly List<(long Offset, byte[] Data)> _log = [];
    private readonly List<(long Epoch, long Reached)> _chain = [];
    private readonly Queue<TopicMessage?> _untold = new();
    private long _epoch = 1;
    private long _head;
    private bool _isUncertain;

    /// <summary>Whether nothing is lost any more.</summary>
    public bool IsCalm { get; set; }

    /// <summary>What the log holds now.</summary>
    public List<(long Offset, string Text)> Log
    {
        get
        {
            lock (_lock)
            {
                return [.. _log.Select(entry => (entry.Offset, System.Text.Encoding.UTF8.GetString(entry.Data)))];
            }
        }
    }

    public override async ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken)
    {
        await Task.Yield();
        TopicPosition position;
        lock (_lock)
        {
            byte[] data = message.Data.ToArray();
            position = new TopicPosition(_epoch, ++_head);
            _log.Add((_head, data));
            if (_log.Count > maxCount)
            {
                _log.RemoveAt(0);
            }

            _isUncertain |= !IsCalm && _random.Next(10) == 0;
            _untold.Enqueue(_isUncertain ? null : new TopicMessage(position, message.Type, data));
            if (!IsCalm)
            {
                Lose();
            }
        }

        Tell();
        return position;
    }

    public override async ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken)
    {
        await Task.Yield();
        lock (_lock)
        {
            long first = _head - _log.Count;
            (long from, long? lost, bool isReset) = (first, null, false);
            if (start.Kind == TopicStartKind.Now)
            {
                return new TopicPage([], new TopicPosition(_epoch, _head), HasMore: false);
            }

            if (start.Kind == TopicStartKind.After)
            {
                TopicPosition after = start.Position;
                long known = after.Epoch == _epoch ? _head : _chain.Where(life => life.Epoch == after.Epoch).Select(life => life.Reached).DefaultIfEmpty(-1).First();
                isReset = after.Offset > known || after.Offset < first;
                lost = after.Offset > known ? null : first - after.Offset;
                from = isReset ? first : after.Offset;
            }

            TopicMessage[] messages = [.. _log.Skip((int)(from - first)).Take(Math.Min(maxCount, 1 + _random.Next(5))).Select(entry => new TopicMessage(new TopicPosition(_epoch, entry.Offset), MessageType.Text, entry.Data))];
            long next = from + messages.Length;
            return new TopicPage(messages, new TopicPosition(_epoch, next), next < _head) { IsReset = isReset, Lost = isReset ? lost : null };
        }
    }

    public override async ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken)
    {
        await Task.Yield();
        lock (_lock)
        {
            return new TopicPosition(_epoch, _head);
        }
    }

    public override ValueTask UnsubscribeAsync(string topic) => ValueTask.CompletedTask;

    /// <summary>As a broker whose link is there again.</summary>
    public void BecomeCalm()
    {
        lock (_lock)
        {
            (IsCalm, _isUncertain) = (true, false);
        }

        OnUncertain(Name);
    }

    // With the lock held.
    private void Lose()
    {
        int fate = _random.Next(100);
        if (fate >= 4)
        {
            return;
        }

        int gone = fate == 0 ? _log.Count : _random.Next(Math.Min(4, _log.Count + 1));
        if (fate == 0)
        {
            // Flushed: another life, in which nobody's place is one.
            (_head, _isUncertain) = (0, true);
            _chain.Clear();
        }
        else
        {
            _head -= gone;
            _chain.RemoveAll(life => life.Epoch == _epoch);
            _chain.Add((_epoch, _head));
            for (int i = 0; i < _chain.Count; i++)
            {
                _chain[i] = _chain[i] with { Reached = Math.Min(_chain[i].Reached, _head) };
            }

            _isUncertain = true;
        }

        _log.RemoveRange(_log.Count - gone, gone);
        _epoch++;
    }

    // In order, as over one channel; what was lost on the way is told as uncertain a little later.
    private void Tell()
    {
        bool isUncertain;
        lock (_lock)
        {
            while (_untold.TryDequeue(out TopicMessage? message))
            {
                if (message is not null)
                {
                    // Under the lock for its order: what hears of it takes none of ours.
                    OnAppended(Name, message);
                }
            }

            isUncertain = _isUncertain && _random.Next(3) == 0;
            _isUncertain &= !isUncertain;
        }

        if (isUncertain)
        {
            OnUncertain(Name);
        }
    }
}
