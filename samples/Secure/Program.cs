// wss with a development certificate. Kestrel does the TLS; Duologue does not know the difference.
//
//   dotnet dev-certs https --trust     once, so that browsers and clients on this machine trust the certificate
//   dotnet run --project samples/Secure
//
// Without such a certificate this program makes one of its own for the run. No browser trusts that one; a client that is shown its
// fingerprint does, as the one below.
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Duologue;

using X509Certificate2 certificate = Development.FindCertificate() ?? Development.CreateCertificate();

var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 8443, listen => listen.UseHttps(certificate)));
builder.Services.AddDuologue();
var app = builder.Build();

app.MapDuologue("/secret", async connection =>
{
    connection.Send($"Nobody but you reads this, {connection.Request!.RemoteEndPoint}.");
    await foreach (var message in connection.ReadAllAsync())
        await connection.SendAsync(message.Data, message.Type);
});

await app.StartAsync();
Console.WriteLine($"wss://localhost:8443/secret, certificate {certificate.Thumbprint}");

// A client of the same process, which trusts this one certificate and no other.
await using (Connection client = await Connection.ConnectAsync(new Uri("wss://localhost:8443/secret"), new ConnectOptions
{
    RemoteCertificateValidationCallback = (_, given, _, _) => given?.GetCertHashString() == certificate.Thumbprint,
}))
{
    Console.WriteLine((await client.ReceiveAsync()).Text);
    await client.SendAsync("echo, in secret");
    Console.WriteLine((await client.ReceiveAsync()).Text);
}

if (!args.Contains("--once"))
    await app.WaitForShutdownAsync();
await app.StopAsync();

internal static class Development
{
    // What dotnet dev-certs marks its certificates with.
    private const string DevCertificate = "1.3.6.1.4.1.311.84.1.1";

    /// <summary>The certificate of <c>dotnet dev-certs https</c>, if there is one on this machine.</summary>
    public static X509Certificate2? FindCertificate()
    {
        using var store = new X509Store(StoreName.My, StoreLocation.CurrentUser, OpenFlags.ReadOnly);
        return store.Certificates
            .Find(X509FindType.FindByTimeValid, DateTime.Now, validOnly: false)
            .FirstOrDefault(found => found.HasPrivateKey && found.Extensions.Any(extension => extension.Oid?.Value == DevCertificate));
    }

    /// <summary>A certificate for localhost that lives as long as this process.</summary>
    public static X509Certificate2 CreateCertificate()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using X509Certificate2 made = request.CreateSelfSigned(now.AddMinutes(-5), now.AddDays(1));

        // Windows serves no key that lives in memory only; by way of PKCS #12 it does.
        return X509CertificateLoader.LoadPkcs12(made.Export(X509ContentType.Pkcs12), null);
    }
}
