using Duologue.Fuzz.Engine;

namespace Duologue.Fuzz.Targets;

internal static class AllTargets
{
    public static IReadOnlyList<FuzzTarget> List { get; } =
    [
        new FrameReaderTarget(),
        new DeflateTarget(),
        new PeerTarget(),
        new ServerHandshakeTarget(),
        new ClientHandshakeTarget(),
        new ExtensionHeaderTarget(),
        new DeflateNegotiationTarget(),
        new HeaderListTarget(),
        new SubprotocolsTarget(),
        new UrlTarget(),
        new CloseFrameTarget(),
        new Utf8Target(),
    ];

    public static FuzzTarget? Find(string name) => List.FirstOrDefault(target => target.Name == name);
}
