// What connections cost a server of bench/Duologue.EchoServer: at rest, after they have ended, and to open. Linux.
//   Duologue.Connections slope PORT COUNT...             memory at each count of idle connections, after a forced collection, and the slope
//   Duologue.Connections burst PORT COUNT [SECONDS]      memory before COUNT connections come and go, and as time passes after it
//   Duologue.Connections handshakes PORT PID COUNT ROUNDS   server CPU per connect, upgrade, answer and first echo
// Connections come from several addresses of 127.0.0.0/8, so that ports suffice; descriptors are the caller's matter (ulimit -n).

using System.Globalization;
using Duologue.Connections;

try
{
    switch (args)
    {
        case ["slope", var port, .. var counts] when counts.Length >= 2:
            await IdleMemory.MeasureSlopeAsync(Number(port), [.. counts.Select(Number)]);
            return 0;
        case ["burst", var port, var count, .. var rest] when rest.Length <= 1:
            await IdleMemory.MeasureBurstAsync(Number(port), Number(count), rest.Length == 0 ? 60 : Number(rest[0]));
            return 0;
        case ["handshakes", var port, var pid, var count, var rounds]:
            await HandshakeCost.MeasureAsync(Number(port), Number(pid), Number(count), Number(rounds));
            return 0;
    }
}
catch (FormatException)
{
    // Told below.
}

Console.Error.WriteLine("usage: Duologue.Connections slope PORT COUNT COUNT... | burst PORT COUNT [SECONDS] | handshakes PORT PID COUNT ROUNDS");
return 2;

static int Number(string text) => int.Parse(text, NumberStyles.None, CultureInfo.InvariantCulture);
