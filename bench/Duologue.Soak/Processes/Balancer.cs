using System.Globalization;
using System.Net.Sockets;
using Duologue.Tests.Shared;

namespace Duologue.Soak;

/// <summary>nginx or HAProxy in front of three nodes, with a file of <c>samples/Cluster</c> in which only the ports are others.</summary>
internal sealed class Balancer : IAsyncDisposable
{
    private readonly Child _child;
    private readonly DirectoryInfo _folder;

    private Balancer(Child child, DirectoryInfo folder, int port) => (_child, _folder, Port) = (child, folder, port);

    public int Port { get; }

    public Uri Url => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Port}"));

    /// <summary>What it has said of late.</summary>
    public string Said => _child.Said;

    /// <summary>The program that such a file is for.</summary>
    public static string ProgramOf(string file) => file.StartsWith("nginx", StringComparison.Ordinal) ? "nginx" : "haproxy";

    /// <summary>How that program is called by those who make it.</summary>
    public static string TitleOf(string file) => ProgramOf(file) == "nginx" ? "nginx" : "HAProxy";

    public static async Task<Balancer> StartAsync(string file, int[] nodes, CancellationToken cancellationToken)
    {
        string name = ProgramOf(file);
        string program = Child.Find(name) ?? throw new SoakException($"There is no {name}: install it, or choose another with --balancer.");
        string text = await File.ReadAllTextAsync(Repository.PathOf(Path.Combine("samples", "Cluster", file)), cancellationToken);
        while (true)
        {
            int port = Child.FreePort();
            DirectoryInfo folder = Directory.CreateTempSubdirectory("duologue-soak-");
            string configuration = Path.Combine(folder.FullName, file);
            string here = text.Replace("8080", port.ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            for (int i = 0; i < nodes.Length; i++)
            {
                here = here.Replace(string.Create(CultureInfo.InvariantCulture, $"808{i + 1}"), nodes[i].ToString(CultureInfo.InvariantCulture), StringComparison.Ordinal);
            }

            await File.WriteAllTextAsync(configuration, here, cancellationToken);

            // One process: a worker of nginx outlives a master that is killed, and holds on to its output.
            string[] arguments = name == "nginx"
                ? ["-e", "stderr", "-p", folder.FullName, "-c", configuration, "-g", "daemon off; master_process off;"]
                : ["-db", "-f", configuration];
            var balancer = new Balancer(Child.Start(program, arguments, static _ => false), folder, port);
            if (await balancer.ListensAsync(cancellationToken))
            {
                return balancer;
            }

            // Its port was taken meanwhile, or the file is wrong.
            string said = balancer.Said;
            await balancer.DisposeAsync();
            if (!said.Contains("in use", StringComparison.OrdinalIgnoreCase))
            {
                throw new SoakException($"{name} does not start with {file}: {said}");
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _child.DisposeAsync();
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (IOException)
        {
            // Its last files may be going at this moment; the folder is the system's temporary one.
        }
    }

    private async Task<bool> ListensAsync(CancellationToken cancellationToken)
    {
        Task ended = _child.BecomesReadyAsync(cancellationToken);
        while (!ended.IsCompleted)
        {
            try
            {
                using var probe = new TcpClient();
                await probe.ConnectAsync("127.0.0.1", Port, cancellationToken);
                return true;
            }
            catch (SocketException)
            {
                await Task.Delay(20, cancellationToken);
            }
        }

        return false;
    }
}
