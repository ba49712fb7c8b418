using System.Diagnostics.Metrics;

namespace Duologue;

/// <summary>
/// Instruments for those who must go on whatever becomes of a measurement: a loop that carries connections, a topic, a timer. What a listener throws is the listener's own trouble, as what a sink throws is a
/// sink's (<see cref="SteadyLogger"/>).
/// </summary>
internal static class SteadyInstruments
{
    public static void AddSteadily<T>(this Counter<T> counter, T value, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
        where T : struct
    {
        if (!counter.Enabled)
        {
            return;
        }

#pragma warning disable CA1031 // There is nobody to tell: the listener is somebody else's, and who happens to be counted is neither.
        try
        {
            counter.Add(value, tags);
        }
        catch (Exception)
        {
            // Listeners behind this one are not asked: that is how the runtime does it.
        }
    }

    public static void AddSteadily<T>(this UpDownCounter<T> counter, T value, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
        where T : struct
    {
        if (!counter.Enabled)
        {
            return;
        }

        try
        {
            counter.Add(value, tags);
        }
        catch (Exception)
        {
            // As above.
        }
    }

    public static void RecordSteadily<T>(this Histogram<T> histogram, T value, params ReadOnlySpan<KeyValuePair<string, object?>> tags)
        where T : struct
    {
        if (!histogram.Enabled)
        {
            return;
        }

        try
        {
            histogram.Record(value, tags);
        }
        catch (Exception)
        {
            // As above.
        }
#pragma warning restore CA1031
    }
}
