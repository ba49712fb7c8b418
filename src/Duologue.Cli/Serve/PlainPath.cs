using System.Buffers;

namespace Duologue.Cli.Serve;

/// <summary>A path as the command line may give it: no patterns of routing, no query.</summary>
internal static class PlainPath
{
    private static readonly SearchValues<char> Special = SearchValues.Create("{}?#* ");

    public static bool IsValid(string path) => path.StartsWith('/') && !path.AsSpan().ContainsAny(Special);
}
