using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Duologue.AspNetCore;
using Duologue.Redis.Tests.Support;
using Microsoft.Extensions.DependencyInjection;
using StackExchange.Redis;

namespace Duologue.Redis.Tests;

/// <summary>A server that speaks TLS only.</summary>
public class RedisSecurityTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Over_tls_topics_work_and_a_server_that_nobody_vouches_for_is_refused()
    {
        string folder = Directory.CreateTempSubdirectory("duologue-tls-").FullName;
        try
        {
            WriteCertificates(folder);
            await using var store = new RedisStore(
                "--port", "0", "--tls-port", "{port}", "--tls-auth-clients", "no",
                "--tls-cert-file", Path.Combine(folder, "server.pem"), "--tls-key-file", Path.Combine(folder, "server.key"), "--tls-ca-cert-file", Path.Combine(folder, "ca.pem"));
            var configuration = ConfigurationOptions.Parse(store.PatientAddress + ",ssl=true");
            configuration.TrustIssuer(Path.Combine(folder, "ca.pem"));
            await using Node node = await Node.StartAsync(store, options => options.Configuration = configuration);
            using TopicSubscription reader = await node.Topics.SubscribeAsync("t", TopicStart.Now, Token);
            await node.Topics.PublishAsync("t", "x", Token);
            Assert.Equal("x", (await reader.ReadAsync(Token).AsTask().WaitAsync(Node.Patience, Token)).Messages[0].Text);

            await Assert.ThrowsAsync<RedisConnectionException>(() => ConnectionMultiplexer.ConnectAsync(store.Address + ",ssl=true,connectRetry=1,abortConnect=true"));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // It was taken for the name of a host, which no server ever answered to.
    [Theory]
    [InlineData("redis://localhost:6379")]
    [InlineData("rediss://me:secret@localhost:6379/0")]
    public void A_URL_is_refused_without_showing_the_secret_in_it(string configuration)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => new ServiceCollection().UseRedis(configuration));
        Assert.Contains("it is a URL", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret@", e.Message, StringComparison.Ordinal);
        new ServiceCollection().UseRedis("localhost:6379,password=a://b");
    }

    private static void WriteCertificates(string folder)
    {
        DateTimeOffset now = DateTimeOffset.UtcNow;
        using var authorityKey = RSA.Create(2048);
        var authorityRequest = new CertificateRequest("CN=Duologue test authority", authorityKey, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        authorityRequest.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        authorityRequest.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.KeyCertSign, true));
        using X509Certificate2 authority = authorityRequest.CreateSelfSigned(now.AddDays(-1), now.AddDays(2));
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        names.AddDnsName("127.0.0.1");
        request.CertificateExtensions.Add(names.Build());
        using X509Certificate2 certificate = request.Create(authority, now.AddDays(-1), now.AddDays(1), [1, 2, 3, 4]);
        File.WriteAllText(Path.Combine(folder, "ca.pem"), authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "server.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(folder, "server.key"), key.ExportPkcs8PrivateKeyPem());
    }
}
