using System.Reflection;

namespace Duologue.Browser.Tests;

/// <summary>The files that lie in the assembly.</summary>
internal static class Resource
{
    private static readonly Assembly Here = typeof(Resource).Assembly;

    /// <summary>Names of those that begin and end so, in order.</summary>
    public static IEnumerable<string> Names(string start, string end) => Here.GetManifestResourceNames()
        .Where(name => name.StartsWith(start, StringComparison.Ordinal) && name.EndsWith(end, StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    public static string Text(string name) => Find(name) ?? throw new FileNotFoundException($"No file '{name}' lies in the assembly.");

    public static string? Find(string name)
    {
        using Stream? stream = Here.GetManifestResourceStream(name);
        return stream is null ? null : new StreamReader(stream).ReadToEnd();
    }
}

/// <summary>How long to wait for what only a broken program keeps one waiting for.</summary>
internal static class Patience
{
    public static TimeSpan Time { get; } = TimeSpan.FromSeconds(30);
}
