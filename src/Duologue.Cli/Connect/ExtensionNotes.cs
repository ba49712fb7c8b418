using Duologue.Protocol.Deflate;
using Duologue.Protocol.Handshake;

namespace Duologue.Cli.Connect;

/// <summary>What a header of extensions means, for <c>--explain</c>.</summary>
internal static class ExtensionNotes
{
    public static string Explain(string value, bool isRequest)
    {
        List<Extension> extensions = [];
        if (!ExtensionHeader.TryParse((string[])[value], extensions, out string? error, out _))
        {
            return $"It {error} (RFC 6455 §9.1).";
        }

        string lead = isRequest ? "Extensions offered, the preferred first; the server picks." : "The extensions the server picked.";
        IEnumerable<string> notes = extensions.Select(extension => extension.Name == DeflateParameters.ExtensionName
            ? ExplainDeflate(extension, isRequest)
            : $"{extension.Name} is not known here.");
        return string.Join(' ', notes.Prepend(lead).Append("(RFC 6455 §9.1, RFC 7692 §7)"));
    }

    private static string ExplainDeflate(Extension extension, bool isOffer)
    {
        if (!DeflateParameters.TryRead(extension, isOffer, out DeflateParameters parameters, out string? error))
        {
            return $"permessage-deflate {error}, so it counts for nothing.";
        }

        List<string> notes = [];
        if (parameters.ServerNoContextTakeover || parameters.ClientNoContextTakeover)
        {
            string who = parameters is { ServerNoContextTakeover: true, ClientNoContextTakeover: true } ? "both sides forget"
                : parameters.ServerNoContextTakeover ? "the server forgets" : "the client forgets";
            notes.Add($"{who} after each message");
        }

        if (parameters.ServerMaxWindowBits is { } server)
        {
            notes.Add($"the server refers back at most {1 << server} bytes");
        }

        if (parameters.ClientMaxWindowBits is { } client)
        {
            notes.Add($"the client refers back at most {1 << client} bytes");
        }
        else if (parameters.AllowsClientMaxWindowBits)
        {
            notes.Add("the server may say how far back the client refers");
        }

        return notes.Count == 0
            ? "permessage-deflate: messages are compressed, and may refer to those before them."
            : $"permessage-deflate: messages are compressed; {string.Join(", ", notes)}.";
    }
}
