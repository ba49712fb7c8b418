using System.Net.Security;

namespace Duologue.Carriers;

/// <summary>
/// Ends a TLS session before its TCP connection ends: RFC 6455 §7.1.1 asks for both to be closed cleanly, and by close_notify (RFC 8446
/// §6.1) the peer knows that nobody else has cut the line. <see cref="SslStream"/> does not send it when it is disposed.
/// </summary>
internal static class TlsEnd
{
    // A peer that takes nothing any more must not keep the connection.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>Sends close_notify, if that can still be done. Call it when nothing more is written; a read may be pending. Never throws.</summary>
    public static async Task SendAsync(SslStream tls)
    {
        try
        {
            await tls.ShutdownAsync().WaitAsync(Patience).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or OperationCanceledException or TimeoutException or System.ComponentModel.Win32Exception)
        {
            // The session has ended by other means, or the peer takes nothing: all that is left is to end TCP.
        }
    }
}
