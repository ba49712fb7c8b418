using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Duologue.Comparison;

/// <summary>Where everything is, and how it gets there.</summary>
internal sealed class Places(string root, string @out)
{
    private static readonly TimeSpan CertificateLife = TimeSpan.FromDays(30);

    public string Out => @out;

    public string Results => Path.Combine(@out, "results.csv");

    private string Binaries => Path.Combine(root, "artifacts", "bench", "bin");

    private string Server => Path.Combine(root, "artifacts", "bin", "Duologue.EchoServer", "release", "Duologue.EchoServer.dll");

    private string NativeServer => Path.Combine(Binaries, "server", "Duologue.EchoServer");

    private string Peers => Path.Combine(root, "bench", "peers");

    private string Bun => Path.Combine(Peers, "node_modules", "@oven", RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "bun-linux-aarch64" : "bun-linux-x64", "bin", "bun");

    private string NativeGenerator => Path.Combine(Binaries, "generator", "Duologue.LoadGenerator");

    private string Certificate => Path.Combine(@out, "certificate.pem");

    private string Key => Path.Combine(@out, "key.pem");

    /// <summary>The generator's program and first arguments: compiled ahead of time, where that could be done.</summary>
    public string[] Generator => File.Exists(NativeGenerator)
        ? [NativeGenerator]
        : ["dotnet", Path.Combine(root, "artifacts", "bin", "Duologue.LoadGenerator", "release", "Duologue.LoadGenerator.dll")];

    public string Fill(string command) => command
        .Replace("{server}", Server, StringComparison.Ordinal)
        .Replace("{native}", NativeServer, StringComparison.Ordinal)
        .Replace("{peers}", Peers, StringComparison.Ordinal)
        .Replace("{bun}", Bun, StringComparison.Ordinal);

    /// <summary>What a server is started with for a case.</summary>
    public string VariantOptions(BenchCase one) =>
        (one.Tls ? $" --tls {Certificate} {Key}" : "") + (one.Deflate == "off" ? "" : $" --deflate {one.Deflate}");

    /// <summary>Builds what is missing or old; says in a line what cannot be had.</summary>
    public void Build(IEnumerable<ServerKind> servers)
    {
        Require("dotnet", "build", Project("Duologue.EchoServer"), "--configuration", "Release", "--verbosity", "quiet", "--nologo", "-nodeReuse:false");
        if (!Publish("Duologue.LoadGenerator", Path.GetDirectoryName(NativeGenerator)!))
        {
            Console.Error.WriteLine("bench/run: no linker for Native AOT (https://aka.ms/nativeaot-prerequisites): the generator runs under the JIT compiler, and costs more.");
            Require("dotnet", "build", Project("Duologue.LoadGenerator"), "--configuration", "Release", "--verbosity", "quiet", "--nologo", "-nodeReuse:false");
        }

        HashSet<Need> needs = [.. servers.Select(server => server.Need)];
        if (needs.Contains(Need.NativeServer))
        {
            Publish("Duologue.EchoServer", Path.GetDirectoryName(NativeServer)!);
        }

        if (needs.Contains(Need.Ws) || needs.Contains(Need.Bun))
        {
            // No script of a package runs: Bun's would only link its program to another place.
            Try("npm", "ci", "--prefix", Peers, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");
        }
    }

    /// <summary>Why it cannot run here; null if it can.</summary>
    public string? Missing(Need need) => need switch
    {
        Need.Server when !File.Exists(Server) => "it is not built",
        Need.NativeServer when !File.Exists(NativeServer) => "it could not be compiled ahead of time",
        Need.Ws when !File.Exists(Path.Combine(Peers, "node_modules", "ws", "package.json")) => "it needs Node.js and npm",
        Need.Bun when !File.Exists(Bun) => "npm could not bring it",
        _ => null,
    };

    /// <summary>A certificate for the servers with TLS, the same for all.</summary>
    public void MakeCertificate()
    {
        Directory.CreateDirectory(@out);
        if (File.Exists(Key))
        {
            return;
        }

        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new("CN=localhost", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow + CertificateLife);
        File.WriteAllText(Certificate, certificate.ExportCertificatePem());
        File.WriteAllText(Key, key.ExportPkcs8PrivateKeyPem());
    }

    private string Project(string name) => Path.Combine(root, "bench", name);

    private bool Publish(string name, string to) => Try(
        "dotnet", "publish", Project(name), "--configuration", "Release", "--use-current-runtime", "--output", to, "-p:Native=true", "--verbosity", "quiet", "--nologo", "-nodeReuse:false");

    private static void Require(string program, params string[] arguments)
    {
        if (!Try(program, arguments))
        {
            throw new RunException($"{program} {string.Join(' ', arguments)} failed.");
        }
    }

    private static bool Try(string program, params string[] arguments)
    {
        Console.Error.WriteLine($"{program} {string.Join(' ', arguments.Take(2))} ...");
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
            string said = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
            {
                Console.Error.Write(said);
            }

            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception exception)
        {
            Console.Error.WriteLine($"{program}: {exception.Message}");
            return false;
        }
    }
}
