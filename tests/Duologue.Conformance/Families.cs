using Duologue.Conformance.Cases;
using Duologue.Conformance.Deflate;

namespace Duologue.Conformance;

/// <summary>The families of frame cases, by number.</summary>
internal static class Families
{
    private static readonly (string Number, string Name, Lazy<IReadOnlyList<Case>> Cases)[] All =
    [
        ("1", "framing", new(FramingCases.All)),
        ("2", "ping and pong", new(PingPongCases.All)),
        ("3", "reserved bits", new(ReservedCases.Bits)),
        ("4", "reserved opcodes", new(ReservedCases.Opcodes)),
        ("5", "fragmentation", new(FragmentationCases.All)),
        ("6", "UTF-8", new(Utf8Cases.All)),
        ("7", "closing", new(ClosingCases.All)),
        ("8", "limits and throughput", new(LimitCases.All)),
        ("9", "the end", new(EndingCases.All)),
        ("10", "compression", new(DeflateCases.All)),
    ];

    public static IEnumerable<string> Numbers => All.Select(family => family.Number);

    public static string Name(string number) => number switch
    {
        "11" => "handshake, judged server",
        "12" => "handshake, judged client",
        "14" => "handshake over HTTP/2",
        "13" => "compression in volume",
        _ => All.First(family => family.Number == number).Name,
    };

    /// <summary>The cases of a family that this run plays against a role.</summary>
    public static IEnumerable<Case> Cases(string number, bool judgesServer) =>
        All.First(family => family.Number == number).Cases.Value.Where(@case =>
            (Settings.Strict || !@case.StrictOnly)
            && @case.Judged != (judgesServer ? Judged.Client : Judged.Server)
            && @case.Id.StartsWith(Settings.Cases, StringComparison.Ordinal));
}
