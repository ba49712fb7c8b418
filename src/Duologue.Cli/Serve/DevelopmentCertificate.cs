using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Duologue.Cli.Serve;

/// <summary>A certificate for <c>--tls</c> on a developer's machine.</summary>
internal static class DevelopmentCertificate
{
    // What `dotnet dev-certs https` marks its certificates with.
    private const string DevCertsOid = "1.3.6.1.4.1.311.84.1.1";
    private const string ServerAuthenticationOid = "1.3.6.1.5.5.7.3.1";

    /// <summary>The certificate of <c>dotnet dev-certs</c> that is valid now and has its key; otherwise one made in memory.</summary>
    public static (X509Certificate2 Certificate, string Origin) Get(DateTimeOffset now) =>
        FindDevCert(now) is { } found
            ? (found, "the development certificate of `dotnet dev-certs https`")
            : (Create(now), "a self-signed certificate made for this run; browsers will warn, and `duologue connect` needs --insecure");

    private static X509Certificate2? FindDevCert(DateTimeOffset now)
    {
        using var store = new X509Store(StoreName.My, StoreLocation.CurrentUser);
        try
        {
            store.Open(OpenFlags.ReadOnly | OpenFlags.OpenExistingOnly);
        }
        catch (CryptographicException)
        {
            // The user has no store yet, so there is no certificate in it.
            return null;
        }

        return store.Certificates
            .Where(each => each.HasPrivateKey && each.NotBefore <= now && each.NotAfter > now && each.Extensions.Any(extension => extension.Oid?.Value == DevCertsOid))
            .MaxBy(each => each.NotAfter);
    }

    private static X509Certificate2 Create(DateTimeOffset now)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(false, false, 0, critical: true));
        request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true));
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(ServerAuthenticationOid)], critical: true));
        using X509Certificate2 made = request.CreateSelfSigned(now.AddMinutes(-5), now.AddDays(30));
        // Through PKCS #12, since TLS on Windows takes no key that lives in memory only.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
