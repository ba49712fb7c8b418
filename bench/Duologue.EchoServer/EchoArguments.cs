using System.Globalization;
using Duologue.EventLoop;

namespace Duologue.EchoServer;

internal enum EchoEngine
{
    Duologue,
    System,
}

/// <summary>The two shapes of a handler; System.Net.WebSockets has only a loop.</summary>
internal enum EchoStyle
{
    Class,
    Delegate,
}

/// <param name="Certificate">A file in PEM.</param>
/// <param name="Key">The same.</param>
internal sealed record TlsFiles(string Certificate, string Key);

internal sealed record EchoArguments(EchoEngine Engine)
{
    public const string Usage =
        "duologue|system [--port N] [--style class|delegate] [--inline] [--event-loop auto|io_uring|epoll] [--loops N] [--deflate off|shared|dedicated[:BITS]] [--tls CERTIFICATE.pem KEY.pem]";

    /// <summary>0 for any that is free.</summary>
    public int Port { get; init; }

    public EchoStyle Style { get; init; }

    public bool Inline { get; init; }

    public EchoDeflate? Deflate { get; init; }

    /// <summary>Null for Kestrel's own sockets.</summary>
    public EventLoopBackend? EventLoop { get; init; }

    public int Loops { get; init; } = 1;

    public TlsFiles? Tls { get; init; }

    /// <summary>Null if the arguments make no sense.</summary>
    public static EchoArguments? Parse(ReadOnlySpan<string> args)
    {
        if (args.IsEmpty || !Enum.TryParse(args[0], ignoreCase: true, out EchoEngine engine))
        {
            return null;
        }

        int port = 0;
        EchoStyle style = EchoStyle.Class;
        bool inline = false;
        EventLoopBackend? loop = null;
        int loops = 1;
        EchoDeflate? deflate = null;
        TlsFiles? tls = null;
        for (int i = 1; i < args.Length; i++)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            switch (args[i])
            {
                case "--port" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out port):
                case "--style" when Enum.TryParse(value, ignoreCase: true, out style):
                case "--loops" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out loops) && loops > 0:
                    i++;
                    break;
                case "--event-loop" when value is "auto" or "io_uring" or "epoll":
                    loop = value switch { "io_uring" => EventLoopBackend.IoUring, "epoll" => EventLoopBackend.Epoll, _ => EventLoopBackend.Auto };
                    i++;
                    break;
                case "--deflate" when EchoDeflate.TryParse(value, out deflate):
                    i++;
                    break;
                case "--tls" when i + 2 < args.Length:
                    tls = new TlsFiles(args[i + 1], args[i + 2]);
                    i += 2;
                    break;
                case "--inline":
                    inline = true;
                    break;
                default:
                    return null;
            }
        }

        return new EchoArguments(engine) { Port = port, Style = style, Inline = inline, Deflate = deflate, EventLoop = loop, Loops = loops, Tls = tls };
    }
}

/// <summary>What both engines agree to about compression.</summary>
/// <param name="Context">Messages refer to those before them, in both directions.</param>
/// <param name="WindowBits">9 to 15.</param>
internal sealed record EchoDeflate(bool Context, int WindowBits)
{
    /// <summary>off, shared, dedicated, dedicated:12.</summary>
    public static bool TryParse(string? text, out EchoDeflate? deflate)
    {
        string[] parts = (text ?? "").Split(':');
        int bits = 15;
        bool known = parts[0] is "off" or "shared" or "dedicated";
        bool valid = known && (parts.Length == 1 || (parts is ["dedicated", var given] && int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out bits) && bits is >= 9 and <= 15));
        deflate = valid && parts[0] != "off" ? new EchoDeflate(parts[0] == "dedicated", bits) : null;
        return valid;
    }
}
