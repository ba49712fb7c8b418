using System.Diagnostics;

namespace Duologue.Fuzz.Engine;

/// <summary>Cuts an input down to what it takes to break the same rule.</summary>
internal static class Minimizer
{
    private const int MaxTries = 4000;

    // An input that hangs takes the target's patience at every try.
    private static readonly TimeSpan MaxTime = TimeSpan.FromMinutes(1);

    public static Finding Shrink(Finding finding)
    {
        string kind = Kind(finding.Exception);
        Finding best = finding;
        int tries = 0;
        long started = Stopwatch.GetTimestamp();

        bool Keeps(byte[] candidate)
        {
            if (tries++ >= MaxTries || Stopwatch.GetElapsedTime(started) > MaxTime)
            {
                return false;
            }

            try
            {
                best.Target.Run(candidate);
                return false;
            }
            catch (Exception exception)
            {
                // Another failure than ours is left for another day: the input that shows it is not this one.
                if (Kind(exception) != kind)
                {
                    return false;
                }

                best = best with { Input = candidate, Exception = exception };
                return true;
            }
        }

        bool shrunk = true;
        while (shrunk && tries < MaxTries && Stopwatch.GetElapsedTime(started) < MaxTime)
        {
            shrunk = false;
            for (int size = Math.Max(best.Input.Length / 2, 1); size > 0; size /= 2)
            {
                for (int at = 0; at + size <= best.Input.Length;)
                {
                    if (Keeps([.. best.Input[..at], .. best.Input[(at + size)..]]))
                    {
                        shrunk = true;
                    }
                    else
                    {
                        at += size;
                    }
                }
            }

            for (int at = 0; at < best.Input.Length; at++)
            {
                if (best.Input[at] != 0)
                {
                    byte[] candidate = [.. best.Input];
                    candidate[at] = 0;
                    shrunk |= Keeps(candidate);
                }
            }
        }

        return best;
    }

    private static string Kind(Exception exception) => exception is InvariantException broken
        ? broken.Rule
        : $"{exception.GetType()} {exception.StackTrace?.Split('\n')[0]}";
}
