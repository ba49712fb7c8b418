namespace Duologue.Backplane;

/// <summary>
/// Everybody comes back at once, by the backoff of docs/client.md: the wait before each attempt is a random part of a bound that doubles ("full jitter"). Servers take so many in a second; who is not
/// taken has failed. Time passes in steps; the same seed gives the same run.
/// </summary>
internal static class Return
{
    private const double Step = 0.01; // seconds
    private const double Longest = 3_600;

    /// <param name="clients">How many; a sample of the real number will do, if the capacity is of the same part.</param>
    /// <param name="capacity">How many are taken in a second.</param>
    /// <param name="initial">The bound of the first wait, seconds.</param>
    /// <param name="most">The greatest bound.</param>
    public static ReturnResult Simulate(int clients, double capacity, double initial, double most, int seed)
    {
        Random random = new(seed);
        Dictionary<int, List<int>> due = []; // by step: how often each has failed
        for (int i = 0; i < clients; i++)
        {
            Put((int)(random.NextDouble() * initial / Step), 0);
        }

        long attempts = 0;
        int back = 0, inSecond = 0, peak = 0;
        double half = 0, nearlyAll = 0, room = 0;
        int step = 0;
        for (; back < clients && step * Step < Longest; step++)
        {
            if (step % (int)(1 / Step) == 0)
            {
                (peak, inSecond) = (Math.Max(peak, inSecond), 0);
            }

            room = Math.Min(room + (capacity * Step), Math.Max(1, capacity * Step));
            if (!due.Remove(step, out List<int>? now))
            {
                continue;
            }

            attempts += now.Count;
            inSecond += now.Count;
            foreach (int failures in now)
            {
                if (room >= 1)
                {
                    room--;
                    back++;
                    continue;
                }

                double bound = Math.Min(most, initial * Math.Pow(2, Math.Min(30, failures + 1)));
                Put(step + 1 + (int)(random.NextDouble() * bound / Step), failures + 1);
            }

            half = half == 0 && back >= clients / 2 ? (step + 1) * Step : half;
            nearlyAll = nearlyAll == 0 && back >= clients * 0.99 ? (step + 1) * Step : nearlyAll;
        }

        return new ReturnResult(Math.Max(peak, inSecond) / (double)clients, half, nearlyAll, step * Step, attempts / (double)clients);

        void Put(int at, int failures)
        {
            if (!due.TryGetValue(at, out List<int>? list))
            {
                due[at] = list = [];
            }

            list.Add(failures);
        }
    }
}

/// <summary>How a return went; times in seconds.</summary>
/// <param name="Peak">The most attempts in one second, as a part of the clients.</param>
/// <param name="Attempts">Per client.</param>
internal readonly record struct ReturnResult(double Peak, double Half, double NearlyAll, double All, double Attempts);
