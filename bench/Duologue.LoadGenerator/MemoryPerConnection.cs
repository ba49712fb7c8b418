using System.Globalization;

namespace Duologue.LoadGenerator;

/// <summary>
/// What a connection costs a server in resident memory, as a slope: between a quarter of the connections and all of them, each after some messages, so
/// that what the server needs once does not count.
/// </summary>
internal static class MemoryPerConnection
{
    private const int Messages = 3;
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(3);

    public static async Task<string> RunAsync(LoadOptions options)
    {
        List<EchoConversation> conversations = [];
        int few = Math.Max(1, options.Connections / 4);
        await OpenAsync(few);
        double before = Resident(options.ProcessId);
        await OpenAsync(options.Connections);
        double after = Resident(options.ProcessId);
        conversations.ForEach(conversation => conversation.Stop());
        return string.Create(CultureInfo.InvariantCulture, $"{(after - before) / (options.Connections - few):F1}");

        async Task OpenAsync(int upTo)
        {
            while (conversations.Count < upTo)
            {
                EchoConversation conversation = await EchoConversation.OpenAsync(options);
                conversations.Add(conversation);
                for (int i = 0; i < Messages; i++)
                {
                    await conversation.RoundTripAsync();
                }
            }

            // The server collects and trims what it can.
            await Task.Delay(Settling);
        }
    }

    /// <summary>In KiB, from proc(5).</summary>
    private static double Resident(int processId)
    {
        foreach (string line in File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/status")))
        {
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
            {
                return double.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
            }
        }

        throw new InvalidOperationException($"The process {processId} shows no memory; name the server's by --pid.");
    }
}
