using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Duologue.Client.Sessions;

/// <summary>What the server of a session says in its first packet. The times are in milliseconds, the payload in bytes.</summary>
internal sealed record OpenPacket(string Sid, string[] Upgrades, long PingInterval, long PingTimeout, long MaxPayload)
{
    private const int LongestSid = 512;

    // A day: longer times do not fit the clock's wheel.
    private const long LongestTime = 24 * 60 * 60 * 1000;

    public TimeSpan Interval => TimeSpan.FromMilliseconds(PingInterval);

    public TimeSpan Timeout => TimeSpan.FromMilliseconds(PingTimeout);

    public bool OffersWebSocket => Upgrades.Contains("websocket");

    /// <summary>Reads the packet, type and all; false if it is none or lacks what a session needs.</summary>
    /// <param name="packet">As it came.</param>
    /// <param name="longestSilence">The most that the two times may come to; infinite for as much as there can be.</param>
    /// <param name="open">What it says.</param>
    /// <param name="flaw">In a sentence, why it opens no session that this client takes.</param>
    public static bool TryRead(ReadOnlySpan<byte> packet, TimeSpan longestSilence, [NotNullWhen(true)] out OpenPacket? open, [NotNullWhen(false)] out string? flaw)
    {
        open = Parse(packet);
        flaw = open is not { Sid.Length: > 0 and <= LongestSid, MaxPayload: > 0 }
            ? "It opens no session of Engine.IO v4."
            : open.FindFlaw(longestSilence);
        if (flaw is not null)
        {
            open = null;
            return false;
        }

        open = open! with { Upgrades = open.Upgrades ?? [] };
        return true;
    }

    private static OpenPacket? Parse(ReadOnlySpan<byte> packet)
    {
        if (packet.IsEmpty || packet[0] != (byte)'0')
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize(packet[1..], OpenPacketJson.Default.OpenPacket);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // The client cannot ping: what is not heard of for the two times together is what it takes for dead, and no sooner.
    private string? FindFlaw(TimeSpan longestSilence)
    {
        if (PingInterval <= 0 || PingTimeout <= 0)
        {
            return $"Its pingInterval is {PingInterval} ms and its pingTimeout {PingTimeout} ms; both must be positive.";
        }

        if (PingInterval > LongestTime || PingTimeout > LongestTime)
        {
            return $"Its pingInterval is {PingInterval} ms and its pingTimeout {PingTimeout} ms; neither may be more than a day.";
        }

        return longestSilence != System.Threading.Timeout.InfiniteTimeSpan && Interval + Timeout > longestSilence
            ? $"It may be silent for {(Interval + Timeout).TotalSeconds:0.###} s (its pingInterval and pingTimeout); the client takes {longestSilence.TotalSeconds:0.###} s (MaxSessionSilence)."
            : null;
    }
}

/// <summary>The packet's JSON, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(OpenPacket))]
internal sealed partial class OpenPacketJson : JsonSerializerContext;
