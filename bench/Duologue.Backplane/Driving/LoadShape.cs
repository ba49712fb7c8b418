using System.Globalization;

namespace Duologue.Backplane;

/// <summary>Who is there and how much is said.</summary>
/// <param name="Name">In the results.</param>
/// <param name="Topics">How many; each has a publisher, on the first node.</param>
/// <param name="Receivers">Of each topic, on each of the two nodes.</param>
/// <param name="Rate">Publishes a second in all, at fixed times; 0 for as fast as they arrive.</param>
/// <param name="Depth">Publishes of a topic that may be on their way at a time, where there is no rate.</param>
internal sealed record LoadShape(string Name, int Topics, int Receivers, int Rate, int Depth)
{
    public const int Nodes = 2;
    public const int Payload = 128;

    /// <summary>What is measured unless something else is asked for: what the contenders are compared by.</summary>
    public static IReadOnlyList<LoadShape> Known { get; } =
    [
        new("crowd", Topics: 1, Receivers: 500, Rate: 20, Depth: 0),
        new("rooms", Topics: 100, Receivers: 5, Rate: 1_000, Depth: 0),
        new("crowd-full", Topics: 1, Receivers: 500, Rate: 0, Depth: 8),
        new("halls-full", Topics: 10, Receivers: 50, Rate: 0, Depth: 4),
        new("rooms-full", Topics: 100, Receivers: 5, Rate: 0, Depth: 1),
    ];

    /// <summary>What is measured if it is asked for by name: the same crowd with fewer and with more messages that can leave together, by which the parts of a delivery are told apart, and what they are tried on.</summary>
    public static IReadOnlyList<LoadShape> ForScale { get; } =
    [
        new("scale-crowd-1", Topics: 1, Receivers: 500, Rate: 0, Depth: 1),
        new("scale-crowd-2", Topics: 1, Receivers: 500, Rate: 0, Depth: 2),
        new("scale-crowd-32", Topics: 1, Receivers: 500, Rate: 0, Depth: 32),
        new("scale-rows", Topics: 30, Receivers: 15, Rate: 0, Depth: 2),
        new("scale-halls", Topics: 10, Receivers: 50, Rate: 2_000, Depth: 0),
    ];

    /// <summary>What is measured if it is asked for by name: the full loads with many more publishes on the way, as where their publishers do not wait for answers.</summary>
    public static IReadOnlyList<LoadShape> Deep { get; } =
    [
        new("crowd-deep", Topics: 1, Receivers: 500, Rate: 0, Depth: 64),
        new("halls-deep", Topics: 10, Receivers: 50, Rate: 0, Depth: 32),
        new("rooms-deep", Topics: 100, Receivers: 5, Rate: 0, Depth: 16),
    ];

    public static IEnumerable<LoadShape> All => Known.Concat(ForScale).Concat(Deep);

    public string Title => string.Create(
        CultureInfo.InvariantCulture,
        $"{Topics:N0} {(Topics == 1 ? "topic" : "topics")}, {Receivers * Nodes:N0} receivers each, {(Rate > 0 ? $"{Rate:N0} publishes a second" : $"{Depth} on the way in each")}");

    public static string TopicName(int topic) => string.Create(CultureInfo.InvariantCulture, $"room/{topic}");
}
