namespace Duologue.Backplane;

/// <summary>What one receiver got. Thread-safe.</summary>
internal sealed class Receipts
{
    private readonly Lock _lock = new();
    private readonly HashSet<int> _numbers = [];
    private int _last = -1;

    public int Doubled { get; private set; }

    public int OutOfOrder { get; private set; }

    public int Resets { get; private set; }

    public void Add(int number)
    {
        lock (_lock)
        {
            if (!_numbers.Add(number))
            {
                Doubled++;
                return;
            }

            OutOfOrder += number < _last ? 1 : 0;
            _last = Math.Max(_last, number);
        }
    }

    public void AddReset()
    {
        lock (_lock)
        {
            Resets++;
        }
    }

    /// <summary>How many of these it has not got.</summary>
    public int CountMissing(IReadOnlyCollection<int> confirmed)
    {
        lock (_lock)
        {
            return confirmed.Count(number => !_numbers.Contains(number));
        }
    }
}
