using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Duologue.Interop.Tests.Peers;

/// <summary>What stands in front of a server.</summary>
public enum ProxyProgram
{
    Nginx,
    HAProxy,
}

/// <summary>What it does with WebSockets.</summary>
public enum ProxyHabit
{
    /// <summary>It knows nothing of them: Upgrade concerns one hop and is dropped; requests and answers are read whole before they are passed on.</summary>
    StripsUpgradeAndBuffers,

    /// <summary>It is set up as docs/proxies.md says.</summary>
    PassesUpgrade,
}

/// <summary>
/// A real nginx or HAProxy on a port that the system chose: the program itself listens on a Unix socket, because neither can be asked
/// for any free port, and a relay carries bytes between the two.
/// </summary>
internal sealed class ReverseProxy : IAsyncDisposable
{
    private readonly Process _process;
    private readonly DirectoryInfo _folder;
    private readonly Task<string> _said;
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _over = new();
    private readonly UnixDomainSocketEndPoint _program;

    private ReverseProxy(Process process, DirectoryInfo folder, UnixDomainSocketEndPoint program)
    {
        (_process, _folder, _program) = (process, folder, program);
        _said = process.StandardError.ReadToEndAsync();
        _listener.Start();
        Url = new Uri($"http://{_listener.LocalEndpoint}");
    }

    public Uri Url { get; }

    /// <summary>Starts one. Skips the test where the program is not installed.</summary>
    public static async Task<ReverseProxy> StartAsync(ProxyProgram program, ProxyHabit habit, Uri server, CancellationToken cancellationToken)
    {
        string name = program == ProxyProgram.Nginx ? "nginx" : "haproxy";
        string? executable = Find(name);
        Assert.SkipWhen(executable is null, $"No {name} found: ./test installs it on Debian, or put it on the PATH.");

        DirectoryInfo folder = Directory.CreateTempSubdirectory("duologue-");
        string configuration = Path.Combine(folder.FullName, "proxy.conf");
        await File.WriteAllTextAsync(configuration, program == ProxyProgram.Nginx ? Nginx(folder.FullName, habit, server) : HAProxy(folder.FullName, habit, server), cancellationToken);
        string[] command = program == ProxyProgram.Nginx
            ? [executable!, "-e", "stderr", "-p", folder.FullName, "-c", configuration]
            : [executable!, "-db", "-q", "-f", configuration];

        // The shell ends it when this process ends, however that comes: its standard input is then at its end.
        ProcessStartInfo start = new("sh", ["-c", "\"$@\" & read _; kill $! 2> /dev/null; wait", "sh", .. command])
        {
            RedirectStandardInput = true,
            RedirectStandardError = true,
        };
        var proxy = new ReverseProxy(Process.Start(start)!, folder, new UnixDomainSocketEndPoint(Socket(folder.FullName)));
        try
        {
            await proxy.ListensAsync(cancellationToken);
            _ = proxy.RelayAllAsync();
            return proxy;
        }
        catch
        {
            await proxy.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _over.CancelAsync();
        _listener.Dispose();
        _process.StandardInput.Close(); // its sign to end
        using CancellationTokenSource patience = new(TimeSpan.FromSeconds(30));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
        _over.Dispose();
        try
        {
            _folder.Delete(recursive: true);
        }
        catch (IOException)
        {
            // The program's last files may be going at this moment; the folder is the system's temporary one.
        }
    }

    private static string? Find(string name) =>
        OperatingSystem.IsWindows()
            ? null
            : $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/usr/local/sbin:/opt/homebrew/bin"
                .Split(':', StringSplitOptions.RemoveEmptyEntries)
                .Select(folder => Path.Combine(folder, name))
                .FirstOrDefault(File.Exists);

    private static string Socket(string folder) => Path.Combine(folder, "in.sock");

    private static string Nginx(string folder, ProxyHabit habit, Uri server) => $$"""
        daemon off;
        master_process off;
        pid {{folder}}/nginx.pid;
        error_log stderr warn;
        events { worker_connections 256; }
        http {
            access_log off;
            client_body_temp_path {{folder}}/body;
            proxy_temp_path {{folder}}/proxy;
            fastcgi_temp_path {{folder}}/fastcgi;
            uwsgi_temp_path {{folder}}/uwsgi;
            scgi_temp_path {{folder}}/scgi;
            map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
            server {
                listen unix:{{Socket(folder)}};
                location / {
                    proxy_pass {{server.GetLeftPart(UriPartial.Authority)}};
                    proxy_http_version 1.1;
                    proxy_set_header Host $http_host;
        {{(habit == ProxyHabit.PassesUpgrade
            ? "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; proxy_read_timeout 75s; proxy_send_timeout 75s;"
            : "proxy_set_header Connection ''; proxy_buffering on; proxy_request_buffering on;")}}
                }
            }
        }
        """;

    private static string HAProxy(string folder, ProxyHabit habit, Uri server) => $"""
        global
            maxconn 256
        defaults
            mode http
            timeout connect 30s
            timeout client  75s
            timeout server  75s
            timeout tunnel  75s
        frontend in
            bind unix@{Socket(folder)}
        {(habit == ProxyHabit.PassesUpgrade ? "" : "    option http-buffer-request\n    http-request del-header Upgrade\n    http-request del-header Connection\n")}
            default_backend talk
        backend talk
            server a {server.Authority}

        """;

    private async Task ListensAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                using Socket attempt = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await attempt.ConnectAsync(_program, cancellationToken);
                return;
            }
            catch (SocketException) when (!_said.IsCompleted)
            {
                // Not yet.
                await Task.Delay(20, cancellationToken);
            }
            catch (SocketException error)
            {
                throw new InvalidOperationException($"The proxy did not start: {await _said}", error);
            }
        }
    }

    private async Task RelayAllAsync()
    {
        try
        {
            while (true)
            {
                _ = RelayAsync(await _listener.AcceptSocketAsync(_over.Token));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task RelayAsync(Socket accepted)
    {
        using Socket client = accepted;
        using Socket proxy = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await proxy.ConnectAsync(_program, _over.Token);
            await Task.WhenAll(CopyAsync(client, proxy), CopyAsync(proxy, client));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // One of the two broke off: disposing both tells the other.
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[16 * 1024];
        try
        {
            int count;
            while ((count = await from.ReceiveAsync(buffer, _over.Token)) > 0)
            {
                for (int sent = 0; sent < count;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, count - sent), _over.Token);
                }
            }

            to.Shutdown(SocketShutdown.Send);
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
            // Both directions end: the other copy would wait for a peer that nobody tells of it.
            from.Dispose();
            to.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // The other copy ended both.
        }
    }
}
