using System.CommandLine;
using System.Net;

namespace Duologue.Cli.Serve;

/// <summary><c>--node-address</c>: where other nodes send the requests of this one's sessions.</summary>
/// <param name="Url">The URL; null to take no forwards.</param>
internal sealed record NodeAddressChoice(Uri? Url)
{
    public const string Name = "--node-address";

    private const string None = "none";
    private const string Expected = $"{Name} takes the http or https URL by which other nodes reach this one, such as http://10.0.0.1:8080, or {None}";

    public static Option<NodeAddressChoice?> Create() => new(Name)
    {
        Description = $"The URL by which other nodes reach this one, to send it the requests of its sessions, such as http://10.0.0.1:8080; {None} to take none. Needs --redis. Default the first of --urls, if that is http at an address of its own or at localhost, otherwise {None}.",
        HelpName = "URL",
        CustomParser = static result =>
        {
            string given = result.Tokens.Count == 0 ? "" : result.Tokens[0].Value;
            string? error = TryRead(given, out NodeAddressChoice? choice);
            if (error is not null)
            {
                result.AddError(error);
            }

            return choice;
        },
    };

    /// <summary>
    /// What holds where nothing was chosen: the first address that the server listens on, where other nodes can be told it as it stands. Who listens on all addresses is not told by which of them others reach it,
    /// and other nodes do not trust a certificate for development: neither takes forwards.
    /// </summary>
    public static Uri? Default(string[] urls)
    {
        BindingAddress first = BindingAddress.Parse(urls[0]);

        // With a name other than localhost Kestrel listens on all addresses, whatever the name leads to.
        bool isOwn = first.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(first.Host, out IPAddress? address) && !IsAny(address) && !address.IsIPv6LinkLocal);
        return isOwn && first.Scheme == Uri.UriSchemeHttp ? new Uri($"{first.Scheme}://{first.Host}:{first.Port}") : null;
    }

    /// <summary>What it means for the sessions of this node.</summary>
    /// <param name="url">The address that was chosen.</param>
    /// <param name="bound">The first address that the server listens on, whose port the port 0 stands for.</param>
    public static string Describe(Uri? url, string bound)
    {
        if (url is null)
        {
            return $"other nodes do not forward to this one's; a balancer sends their requests here, or {Name} says where to";
        }

        Uri found = url.Port == 0 ? new UriBuilder(url) { Port = BindingAddress.Parse(bound).Port }.Uri : url;
        return $"other nodes forward the requests of this one's to {found}";
    }

    internal static string? TryRead(string given, out NodeAddressChoice? choice)
    {
        choice = null;
        if (given == None)
        {
            choice = new NodeAddressChoice(Url: null);
            return null;
        }

        if (!Uri.TryCreate(given, UriKind.Absolute, out Uri? url) || (url.Scheme != Uri.UriSchemeHttp && url.Scheme != Uri.UriSchemeHttps))
        {
            return $"{Expected}; it was given \"{given}\".";
        }

        if (url is not { Query: "", Fragment: "", UserInfo: "" })
        {
            // There may be a password in it.
            return $"{Expected}, without query, fragment and user.";
        }

        if (IPAddress.TryParse(url.Host, out IPAddress? address) && IsAny(address))
        {
            return $"{Expected}; {url.Host} means all addresses of a machine, and is none that leads to this one.";
        }

        choice = new NodeAddressChoice(url);
        return null;
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);
}
