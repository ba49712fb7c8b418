namespace Duologue.Conformance.Handshake;

/// <summary>An opening request, line by line, to be spoilt in one place at a time. Immutable.</summary>
internal sealed record Request(string FirstLine, IReadOnlyList<string> Lines)
{
    public const string Key = "dGhlIHNhbXBsZSBub25jZQ==";

    /// <summary>The smallest complete one (RFC 6455 §4.1).</summary>
    public static readonly Request Good = new(
        "GET /chat HTTP/1.1",
        ["Host: localhost", "Connection: Upgrade", "Upgrade: websocket", $"Sec-WebSocket-Key: {Key}", "Sec-WebSocket-Version: 13"]);

    /// <summary>What is sent behind the empty line.</summary>
    public string Rest { get; init; } = "";

    public Request Line(string first) => this with { FirstLine = first };

    public Request Without(string name) => this with { Lines = [.. Lines.Where(line => !Is(line, name))] };

    public Request Add(params string[] lines) => this with { Lines = [.. Lines, .. lines] };

    public Request Set(string name, string value) => this with { Lines = [.. Lines.Select(line => Is(line, name) ? $"{name}: {value}" : line)] };

    public Request Map(Func<string, string> line) => this with { Lines = [.. Lines.Select(line)] };

    public Request Behind(string rest) => this with { Rest = rest };

    public override string ToString() => string.Join("\r\n", [FirstLine, .. Lines, "", Rest]);

    private static bool Is(string line, string name) => line.StartsWith(name + ":", StringComparison.OrdinalIgnoreCase);
}
