using System.Globalization;
using System.Text.RegularExpressions;

namespace Duologue.Soak;

/// <summary>Counts what nodes have forwarded for each other's sessions, by their metrics: at least so much, as what a node has counted since it was looked at last goes with it.</summary>
internal sealed partial class Forwards(NodeProcess[] nodes) : IDisposable
{
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromMinutes(1) };
    private readonly long[] _seen = new long[nodes.Length];

    /// <summary>Requests and WebSockets, of those that were seen.</summary>
    public long Total { get; private set; }

    public async Task LookAsync(CancellationToken cancellationToken)
    {
        for (int i = 0; i < nodes.Length; i++)
        {
            try
            {
                string metrics = await _http.GetStringAsync(new Uri(nodes[i].Url + "/metrics"), cancellationToken);
                long now = Counted().Matches(metrics).Sum(match => long.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture));

                // A node that counts less than before is another process.
                Total += now >= _seen[i] ? now - _seen[i] : now;
                _seen[i] = now;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !cancellationToken.IsCancellationRequested)
            {
                // It is away at this moment.
            }
        }
    }

    public void Dispose() => _http.Dispose();

    [GeneratedRegex(@"^duologue_redis_forwards(?:_\w+)?\{[^}]*outcome=""answered""[^}]*\} (\d+)", RegexOptions.Multiline)]
    private static partial Regex Counted();
}
