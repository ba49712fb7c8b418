using System.Text;

namespace Duologue.Protocol.Handshake;

/// <summary>One extension as it was offered or accepted (RFC 6455 §9.1). Names compare with case, as RFC 6455 says nothing else (§2.1).</summary>
/// <param name="Name">A token, for example <c>permessage-deflate</c>.</param>
/// <param name="Parameters">In order, duplicates included: what they mean is the extension's to say (RFC 7692 §7 declines them).</param>
internal sealed record Extension(string Name, IReadOnlyList<ExtensionParameter> Parameters)
{
    /// <summary>The extension as an element of a header.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(Name);
        foreach (ExtensionParameter parameter in Parameters)
        {
            text.Append("; ").Append(parameter.Name);
            if (parameter.Value is not null)
            {
                text.Append('=').Append(parameter.Value);
            }
        }

        return text.ToString();
    }
}

/// <summary>A parameter of an extension.</summary>
/// <param name="Name">A token.</param>
/// <param name="Value">A token, unquoted; null if the parameter has none.</param>
internal readonly record struct ExtensionParameter(string Name, string? Value);
