using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Runtime;
using Duologue.EventLoop;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Duologue.HeldRequests;

/// <summary>The server: topics, and a page that collects garbage and says what is left.</summary>
internal static class HeldServer
{
    public static async Task RunAsync(string transport)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        if (transport != "kestrel")
        {
            builder.WebHost.UseEventLoop(options => options.Backend = transport switch
            {
                "epoll" => EventLoopBackend.Epoll,
                "io_uring" => EventLoopBackend.IoUring,
                "auto" => EventLoopBackend.Auto,
                _ => throw new ArgumentException($"{transport} is none of kestrel, auto, epoll, io_uring.", nameof(transport)),
            });
        }

        builder.Services.AddDuologue();
        WebApplication application = builder.Build();
        application.MapTopics("/topics/{**name}").WithOptions(topics => (topics.AllowPublishing, topics.MaxWait, topics.KeepAliveInterval) = (true, TimeSpan.FromHours(1), TimeSpan.FromHours(1)));

        // What a held request costs on Kestrel whatever holds it: the least that there can be.
        var news = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        application.MapGet("/bare", async context =>
        {
            await Volatile.Read(ref news).Task;
            await context.Response.WriteAsync("extra!");
        });
        application.MapPost("/bare", () => Interlocked.Exchange(ref news, new(TaskCreationOptions.RunContinuationsAsynchronously)).SetResult());
        application.MapGet("/memory", () =>
        {
            for (int i = 0; i < 3; i++)
            {
                GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
                GC.WaitForPendingFinalizers();
            }

            using var self = Process.GetCurrentProcess();
            return string.Create(CultureInfo.InvariantCulture, $"{self.WorkingSet64} {GC.GetTotalMemory(forceFullCollection: false)}");
        });
        await application.StartAsync();
        string address = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"listening {new Uri(address).Port}"));

        // It ends with whoever started it.
        await Console.In.ReadLineAsync();
        Environment.Exit(0);
    }
}

/// <summary>The server as its user sees it.</summary>
internal sealed class ServerProcess : IDisposable
{
    private readonly Process _process;

    private ServerProcess(Process process, int port) => (_process, Port) = (process, port);

    public int Port { get; }

    public static async Task<ServerProcess> StartAsync(string transport)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true, RedirectStandardInput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
        {
            start.ArgumentList.Add(typeof(ServerProcess).Assembly.Location);
        }

        start.ArgumentList.Add("serve");
        start.ArgumentList.Add(transport);
        Process process = Process.Start(start)!;
        string line = await process.StandardOutput.ReadLineAsync() ?? throw new IOException("The server did not start.");
        return new ServerProcess(process, int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture));
    }

    public async Task<(long Resident, long Live)> MemoryAsync()
    {
        using var http = new HttpClient();
        string[] answer = (await http.GetStringAsync(new Uri($"http://127.0.0.1:{Port}/memory"))).Split(' ');
        return (long.Parse(answer[0], CultureInfo.InvariantCulture), long.Parse(answer[1], CultureInfo.InvariantCulture));
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
