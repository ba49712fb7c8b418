using Duologue.Soak;

namespace Duologue.Cluster.Tests;

/// <summary>What a test needs of the machine.</summary>
internal static class Needs
{
    /// <summary>Reached by a program that is broken, and by no machine that is slow.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    public static void Redis() => Assert.SkipWhen(RedisProcess.Program is null, "redis-server is not installed (Debian: redis-server).");

    public static void Program(string name) => Assert.SkipWhen(Child.Find(name) is null, $"{name} is not installed: ./test installs it on Debian, or put it on the PATH.");

    /// <summary>The balancer of a test for which either will do.</summary>
    public static string AnyBalancer()
    {
        Assert.SkipWhen(Child.Find("haproxy") is null && Child.Find("nginx") is null, "Neither haproxy nor nginx is installed: ./test installs them on Debian.");
        return Child.Find("haproxy") is null ? "nginx.conf" : "haproxy.cfg";
    }
}
