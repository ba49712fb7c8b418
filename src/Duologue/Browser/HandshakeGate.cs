namespace Duologue.Browser;

/// <summary>
/// Lets opening handshakes to one host and port pass one at a time, in order of arrival, so that a page cannot flood a
/// server with them. Source: RFC 6455 §4.1.
/// </summary>
internal static class HandshakeGate
{
    // A gate lives while somebody waits at it or is inside.
    private static readonly Dictionary<(string Host, int Port), Gate> Gates = [];

    /// <summary>Waits for its turn. Dispose the result when the handshake is over.</summary>
    /// <exception cref="OperationCanceledException">The wait was given up; nothing is to be disposed.</exception>
    public static async Task<IDisposable> EnterAsync(string host, int port, CancellationToken cancellationToken)
    {
        (string Host, int Port) key = (host, port);
        Gate? gate;
        lock (Gates)
        {
            if (!Gates.TryGetValue(key, out gate))
            {
                Gates[key] = gate = new Gate();
            }

            gate.Users++;
        }

        try
        {
            await gate.Turn.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new Pass(key, gate);
        }
        catch (OperationCanceledException)
        {
            Leave(key, gate);
            throw;
        }
    }

    private static void Leave((string Host, int Port) key, Gate gate)
    {
        lock (Gates)
        {
            if (--gate.Users == 0)
            {
                Gates.Remove(key);
                gate.Turn.Dispose();
            }
        }
    }

    private sealed class Gate
    {
        public SemaphoreSlim Turn { get; } = new(1, 1);

        public int Users { get; set; }
    }

    private sealed class Pass((string Host, int Port) key, Gate gate) : IDisposable
    {
        private int _disposed;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _disposed, 1) == 0)
            {
                gate.Turn.Release();
                Leave(key, gate);
            }
        }
    }
}
