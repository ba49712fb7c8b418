using System.Globalization;
using Duologue.Protocol.Handshake;

namespace Duologue.Protocol.Deflate;

/// <summary>The parameters of one <c>permessage-deflate</c>, in an offer or in an answer (RFC 7692 §7.1).</summary>
internal readonly record struct DeflateParameters
{
    public const string ExtensionName = "permessage-deflate";

    private const string ServerNoContextTakeoverName = "server_no_context_takeover";
    private const string ClientNoContextTakeoverName = "client_no_context_takeover";
    private const string ServerMaxWindowBitsName = "server_max_window_bits";
    private const string ClientMaxWindowBitsName = "client_max_window_bits";

    /// <summary>The server forgets after each message.</summary>
    public bool ServerNoContextTakeover { get; init; }

    /// <summary>The client forgets after each message.</summary>
    public bool ClientNoContextTakeover { get; init; }

    /// <summary>The most window bits of the server's compressor, 8 to 15; null if not said, which means 15.</summary>
    public int? ServerMaxWindowBits { get; init; }

    /// <summary>The most window bits of the client's compressor, 8 to 15; null if not said, which means 15.</summary>
    public int? ClientMaxWindowBits { get; init; }

    /// <summary>In an offer: the client can be told its window bits (it named the parameter, with or without a value).</summary>
    public bool AllowsClientMaxWindowBits { get; init; }

    /// <summary>Reads the parameters of an extension.</summary>
    /// <param name="extension">Its name is not looked at.</param>
    /// <param name="isOffer">Whether a client offers it: only then <c>client_max_window_bits</c> may have no value (RFC 7692 §7.1.2.2).</param>
    /// <param name="parameters">What it says.</param>
    /// <param name="error">What is wrong, as the end of a sentence; null if nothing is.</param>
    /// <returns>False if a parameter is unknown, repeated or has a value that it may not have (RFC 7692 §7).</returns>
    public static bool TryRead(Extension extension, bool isOffer, out DeflateParameters parameters, out string? error)
    {
        parameters = default;
        for (int i = 0; i < extension.Parameters.Count; i++)
        {
            ExtensionParameter parameter = extension.Parameters[i];
            for (int earlier = 0; earlier < i; earlier++)
            {
                if (extension.Parameters[earlier].Name == parameter.Name)
                {
                    error = $"names {PeerText.Quote(parameter.Name)} twice";
                    return false;
                }
            }

            error = Read(parameter, isOffer, ref parameters);
            if (error is not null)
            {
                return false;
            }
        }

        error = null;
        return true;
    }

    /// <summary>The parameters as an extension.</summary>
    public Extension ToExtension()
    {
        List<ExtensionParameter> list = [];
        if (ServerNoContextTakeover)
        {
            list.Add(new(ServerNoContextTakeoverName, null));
        }

        if (ClientNoContextTakeover)
        {
            list.Add(new(ClientNoContextTakeoverName, null));
        }

        if (ServerMaxWindowBits is { } server)
        {
            list.Add(new(ServerMaxWindowBitsName, server.ToString(CultureInfo.InvariantCulture)));
        }

        if (AllowsClientMaxWindowBits || ClientMaxWindowBits is not null)
        {
            list.Add(new(ClientMaxWindowBitsName, ClientMaxWindowBits?.ToString(CultureInfo.InvariantCulture)));
        }

        return new Extension(ExtensionName, list);
    }

    private static string? Read(ExtensionParameter parameter, bool isOffer, ref DeflateParameters into)
    {
        switch (parameter.Name)
        {
            case ServerNoContextTakeoverName when parameter.Value is null:
                into = into with { ServerNoContextTakeover = true };
                return null;
            case ClientNoContextTakeoverName when parameter.Value is null:
                into = into with { ClientNoContextTakeover = true };
                return null;
            case ServerNoContextTakeoverName or ClientNoContextTakeoverName:
                return $"gives {parameter.Name} the value {PeerText.Quote(parameter.Value)}; it has none (RFC 7692 §7.1.1)";
            case ServerMaxWindowBitsName when ReadBits(parameter.Value) is { } bits:
                into = into with { ServerMaxWindowBits = bits };
                return null;
            case ClientMaxWindowBitsName when ReadBits(parameter.Value) is { } bits:
                into = into with { ClientMaxWindowBits = bits, AllowsClientMaxWindowBits = true };
                return null;
            case ClientMaxWindowBitsName when parameter.Value is null && isOffer:
                into = into with { AllowsClientMaxWindowBits = true };
                return null;
            case ServerMaxWindowBitsName or ClientMaxWindowBitsName:
                return parameter.Value is null
                    ? $"gives {parameter.Name} no value; expected 8 to 15 (RFC 7692 §7.1.2)"
                    : $"gives {parameter.Name} the value {PeerText.Quote(parameter.Value)}; expected 8 to 15, without leading zeros (RFC 7692 §7.1.2)";
            default:
                return $"has the unknown parameter {PeerText.Quote(parameter.Name)}";
        }
    }

    // RFC 7692 §7.1.2: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
    private static int? ReadBits(string? value) => value switch
    {
        "8" => 8,
        "9" => 9,
        { Length: 2 } when value[0] == '1' && value[1] is >= '0' and <= '5' => 10 + (value[1] - '0'),
        _ => null,
    };
}
