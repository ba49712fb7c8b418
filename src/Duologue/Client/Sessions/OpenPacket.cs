using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Duologue.Client.Sessions;

/// <summary>What the server of a session says in its first packet. The times are in milliseconds, the payload in bytes.</summary>
internal sealed record OpenPacket(string Sid, string[] Upgrades, long PingInterval, long PingTimeout, long MaxPayload)
{
    private const int LongestSid = 512;

    // A day: a server that pings less often has no heartbeat to speak of, and longer times do not fit the clock's wheel.
    private const long LongestTime = 24 * 60 * 60 * 1000;

    public TimeSpan Interval => TimeSpan.FromMilliseconds(PingInterval);

    public TimeSpan Timeout => TimeSpan.FromMilliseconds(PingTimeout);

    public bool OffersWebSocket => Upgrades.Contains("websocket");

    /// <summary>Reads the packet, type and all; false if it is none or lacks what a session needs.</summary>
    public static bool TryRead(ReadOnlySpan<byte> packet, [NotNullWhen(true)] out OpenPacket? open)
    {
        open = null;
        if (packet.IsEmpty || packet[0] != (byte)'0')
        {
            return false;
        }

        try
        {
            open = JsonSerializer.Deserialize(packet[1..], OpenPacketJson.Default.OpenPacket);
        }
        catch (JsonException)
        {
            return false;
        }

        if (open is null
            || open.Sid is not { Length: > 0 and <= LongestSid }
            || open.PingInterval is <= 0 or > LongestTime
            || open.PingTimeout is <= 0 or > LongestTime
            || open.MaxPayload <= 0)
        {
            open = null;
            return false;
        }

        open = open with { Upgrades = open.Upgrades ?? [] };
        return true;
    }
}

/// <summary>The packet's JSON, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(OpenPacket))]
internal sealed partial class OpenPacketJson : JsonSerializerContext;
