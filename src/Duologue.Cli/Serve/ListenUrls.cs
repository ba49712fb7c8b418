using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Duologue.Cli.Terminal;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Duologue.Cli.Serve;

/// <summary>The addresses that a server of this tool listens on: read from the command line, bound, shown.</summary>
internal static class ListenUrls
{
    private const int DefaultPort = 8080;

    /// <summary>Reads <c>--urls</c>; the error says what is wrong with which.</summary>
    public static bool TryRead(string[]? given, bool tls, out string[] urls, [NotNullWhen(false)] out string? error)
    {
        string scheme = tls ? "https" : "http";
        urls = [.. (given ?? []).SelectMany(each => each.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))];
        if (urls.Length == 0)
        {
            urls = [$"{scheme}://localhost:{DefaultPort}"];
        }

        for (int i = 0; i < urls.Length; i++)
        {
            string url = urls[i];
            if (!TryReadOne(url, out BindingAddress? address))
            {
                error = $"--urls has \"{url}\", which is no address to listen on; expected such as http://localhost:8080 or http://0.0.0.0:8080, with a port up to {IPEndPoint.MaxPort} and without a path.";
                return false;
            }

            if (!address.Scheme.Equals(scheme, StringComparison.OrdinalIgnoreCase))
            {
                error = tls
                    ? $"--urls has \"{url}\", but with --tls all addresses are https."
                    : $"--urls has \"{url}\"; https needs --tls, which brings a development certificate.";
                return false;
            }

            if (address.Port == 0 && address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
            {
                error = $"--urls has \"{url}\"; a free port is found for an address, not for the name localhost: use {scheme}://127.0.0.1:0.";
                return false;
            }

            // A scheme is the same in capitals (RFC 3986 §3.1); all that shows it from here on has it in small letters.
            urls[i] = string.Concat(scheme, url.AsSpan(scheme.Length));
        }

        error = null;
        return true;
    }

    /// <summary>
    /// Starts the application. If an address cannot be had, says so in one line and answers the exit code.
    /// </summary>
    public static async Task<int?> TryStartAsync(WebApplication application, string[] urls, Report report)
    {
        foreach (string url in urls)
        {
            application.Urls.Add(url);
        }

        try
        {
            await application.StartAsync().ConfigureAwait(false);
            return null;
        }
        catch (IOException e) when (e.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException || Find(e) is { SocketErrorCode: SocketError.AddressAlreadyInUse })
        {
            return report.Fail(ExitCode.CannotListen, $"{string.Join(", ", urls)} is taken: another program listens there. Choose another port, for example --urls {Example(urls)}.");
        }
        catch (Exception e) when (Find(e) is { } socketError)
        {
            return report.Fail(ExitCode.CannotListen, $"Cannot listen on {string.Join(", ", urls)}: {Reason(socketError)} Choose an address of this machine with --urls.");
        }
    }

    /// <summary>The addresses as they were bound, with the ports that were found.</summary>
    public static IReadOnlyList<string> GetBound(WebApplication application) =>
        [.. application.Services.GetRequiredService<Microsoft.AspNetCore.Hosting.Server.IServer>().Features.Get<IServerAddressesFeature>()?.Addresses ?? []];

    /// <summary>The address under which this machine reaches it.</summary>
    public static string GetLocal(string url)
    {
        BindingAddress address = BindingAddress.Parse(url);
        return $"{address.Scheme}://{(IsAny(address.Host) ? "localhost" : address.Host)}:{address.Port}";
    }

    /// <summary>For an address that means all of this machine's: those that others can reach it by.</summary>
    public static IEnumerable<string> ListRemote(string url)
    {
        BindingAddress address = BindingAddress.Parse(url);
        if (!IsAny(address.Host))
        {
            return [];
        }

        return NetworkInterface.GetAllNetworkInterfaces()
            .Where(each => each.OperationalStatus == OperationalStatus.Up && each.NetworkInterfaceType != NetworkInterfaceType.Loopback)
            .SelectMany(each => each.GetIPProperties().UnicastAddresses)
            .Where(each => each.Address.AddressFamily == AddressFamily.InterNetwork)
            .Select(each => $"{address.Scheme}://{each.Address}:{address.Port}");
    }

    private static bool TryReadOne(string url, [NotNullWhen(true)] out BindingAddress? address)
    {
        address = null;
        try
        {
            address = BindingAddress.Parse(url);
        }
        catch (FormatException)
        {
            return false;
        }

        return address.PathBase.Length == 0 && !address.IsUnixPipe && !address.IsNamedPipe && address.Scheme.ToLowerInvariant() is "http" or "https" && address.Port is >= 0 and <= IPEndPoint.MaxPort;
    }

    private static bool IsAny(string host) => host is "0.0.0.0" or "[::]" or "*" or "+";

    private static string Example(string[] urls)
    {
        BindingAddress address = BindingAddress.Parse(urls[0]);
        return $"{address.Scheme}://{address.Host}:{(address.Port < IPEndPoint.MaxPort ? address.Port + 1 : DefaultPort)}";
    }

    private static string Reason(SocketException error) => error.SocketErrorCode switch
    {
        SocketError.AddressNotAvailable => "this machine has no such address.",
        SocketError.AccessDenied => "this user may not listen on that port.",
        _ => $"{error.Message.TrimEnd('.')}.",
    };

    private static SocketException? Find(Exception? e)
    {
        while (e is not null and not SocketException)
        {
            e = e.InnerException;
        }

        return e as SocketException;
    }
}
