using System.Globalization;

namespace Duologue.LoadGenerator;

/// <param name="Payload">Bytes per message.</param>
/// <param name="ProcessId">The server's, to count its CPU time; 0 for none.</param>
internal sealed record LoadOptions(
    string Host, int Port, string Path, int Connections, int Payload, TimeSpan Duration, TimeSpan Warmup, int ProcessId, bool Json)
{
    /// <summary>What to offer about compression, as a header's value; then the payload is JSON and is sent compressed. Null for nothing.</summary>
    public string? Deflate { get; init; }

    /// <summary>Null if the arguments make no sense.</summary>
    public static LoadOptions? Parse(string[] args)
    {
        if (args.Length < 7
            || !int.TryParse(args[1], out int port)
            || !int.TryParse(args[3], out int connections) || connections < 1
            || !int.TryParse(args[4], out int payload) || payload < 0
            || args[5] != "1"
            || !TrySeconds(args[6], out TimeSpan duration))
        {
            return null;
        }

        TimeSpan warmup = TimeSpan.FromSeconds(1);
        int processId = 0;
        bool json = false;
        string? deflate = null;
        for (int i = 7; i < args.Length; i++)
        {
            string value = i + 1 < args.Length ? args[i + 1] : "";
            switch (args[i])
            {
                case "--pid" when int.TryParse(value, out processId):
                case "--warmup" when TrySeconds(value, out warmup):
                    i++;
                    break;
                case "--deflate" when TryOffer(value, out deflate):
                    i++;
                    break;
                case "--jsonout":
                    json = true;
                    break;
                default:
                    return null;
            }
        }

        return new LoadOptions(args[0], port, args[2], connections, payload, duration, warmup, processId, json) { Deflate = deflate };
    }

    /// <summary>off, shared, dedicated, dedicated:12.</summary>
    public static bool TryOffer(string mode, out string? offer)
    {
        string[] parts = mode.Split(':');
        offer = parts switch
        {
            ["shared"] => "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
            ["dedicated"] => "permessage-deflate",
            ["dedicated", var bits] => $"permessage-deflate; server_max_window_bits={bits}; client_max_window_bits={bits}",
            _ => null,
        };
        return offer is not null || mode == "off";
    }

    private static bool TrySeconds(string text, out TimeSpan time)
    {
        bool valid = double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds);
        time = TimeSpan.FromSeconds(seconds);
        return valid;
    }
}
