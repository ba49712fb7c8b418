using System.Net.Security;
using System.Security.Authentication;
using System.Text;

namespace Duologue.LoadGenerator;

/// <summary>The opening of a conversation: TLS where it is wanted, and the upgrade (RFC 6455 §4.1).</summary>
internal static class Handshake
{
    private const string Key = "dGhlIHNhbXBsZSBub25jZQ==";
    private const string Accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="; // RFC 6455 §1.3

    private const int MaxHead = 8192;

    public static async ValueTask<Stream> OpenAsync(RawStream socket, LoadOptions options, string path)
    {
        Stream stream = socket;
        if (options.Tls)
        {
            SslStream tls = new(socket, leaveInnerStreamOpen: false);
            await tls.AuthenticateAsClientAsync(TlsOptions(options));
            stream = tls;
        }

        await stream.WriteAsync(Request(options, path));
        byte[] head = new byte[MaxHead];
        int length = 0;
        while (!EndsHead(head.AsSpan(0, length)))
        {
            length += Some(await stream.ReadAsync(head.AsMemory(length)));
        }

        CheckAnswer(Encoding.ASCII.GetString(head, 0, length), options);
        return stream;
    }

    /// <summary>The same for who waits.</summary>
    public static Stream Open(RawStream socket, LoadOptions options, string path)
    {
        Stream stream = socket;
        if (options.Tls)
        {
            SslStream tls = new(socket, leaveInnerStreamOpen: false);
            tls.AuthenticateAsClient(TlsOptions(options));
            stream = tls;
        }

        stream.Write(Request(options, path));
        byte[] head = new byte[MaxHead];
        int length = 0;
        while (!EndsHead(head.AsSpan(0, length)))
        {
            length += Some(stream.Read(head.AsSpan(length)));
        }

        CheckAnswer(Encoding.ASCII.GetString(head, 0, length), options);
        return stream;
    }

    /// <summary>Throws if the server ended instead.</summary>
    public static int Some(int count) => count > 0 ? count : throw new LoadException("The server ended a connection.");

    private static SslClientAuthenticationOptions TlsOptions(LoadOptions options) => new()
    {
        TargetHost = options.Host.ToString(),
        EnabledSslProtocols = SslProtocols.Tls13,
#pragma warning disable CA5359 // The server is on this machine, and its certificate was made for the run.
        RemoteCertificateValidationCallback = (_, _, _, _) => true,
#pragma warning restore CA5359
    };

    private static byte[] Request(LoadOptions options, string path) => Encoding.ASCII.GetBytes(
        $"GET {path} HTTP/1.1\r\nHost: {options.Host}:{options.Port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + $"Sec-WebSocket-Key: {Key}\r\nSec-WebSocket-Version: 13\r\n"
        + (options.Subprotocol is null ? "" : $"Sec-WebSocket-Protocol: {options.Subprotocol}\r\n")
        + (options.Offer is null ? "\r\n" : $"Sec-WebSocket-Extensions: {options.Offer}\r\n\r\n"));

    // Nobody speaks before the load does, so that nothing comes behind the head.
    private static bool EndsHead(ReadOnlySpan<byte> head) =>
        head.EndsWith("\r\n\r\n"u8) || (head.Length == MaxHead ? throw new LoadException("The answer to the handshake is no such thing.") : false);

    private static void CheckAnswer(string answer, LoadOptions options)
    {
        if (!answer.StartsWith("HTTP/1.1 101", StringComparison.Ordinal) || !answer.Contains(Accept, StringComparison.Ordinal))
        {
            throw new LoadException($"The server refused the handshake: {answer.Split('\r')[0]}");
        }

        if (options.Offer is not null && !answer.Contains("permessage-deflate", StringComparison.Ordinal))
        {
            throw new LoadException($"The server declined \"{options.Offer}\".");
        }

        if (options.Subprotocol is not null && !answer.Contains($"\r\nSec-WebSocket-Protocol: {options.Subprotocol}\r\n", StringComparison.OrdinalIgnoreCase))
        {
            throw new LoadException($"The server declined the subprotocol {options.Subprotocol}.");
        }
    }
}
