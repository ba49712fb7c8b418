namespace Duologue.Protocol.Handshake;

/// <summary>Reads <c>Sec-WebSocket-Extensions</c> (RFC 6455 §9.1).</summary>
internal static class ExtensionHeader
{
    /// <summary>Reads all lines of the header.</summary>
    /// <param name="values">The lines of the header.</param>
    /// <param name="into">Takes the extensions in order of preference; null only checks the form, and allocates nothing.</param>
    /// <param name="error">What is wrong, as the end of a sentence that begins with the header's name; null if nothing is.</param>
    /// <param name="tooLarge">Whether the error is a limit of ours, not the grammar.</param>
    /// <returns>False if the header breaks the grammar or a limit: the handshake must fail then (RFC 6455 §9.1).</returns>
    public static bool TryParse<TValues>(TValues values, List<Extension>? into, out string? error, out bool tooLarge)
        where TValues : IReadOnlyList<string?>
    {
        int count = HeaderList.Count(values);
        error = null;
        tooLarge = false;
        if (count == 0)
        {
            return true;
        }

        if (HeaderList.Length(values) > HeaderList.MaxLength)
        {
            tooLarge = true;
            error = $"is longer than {HeaderList.MaxLength} characters";
            return false;
        }

        // Extensions and parameters together: each costs an object.
        int elements = 0;
        bool any = false;
        for (int i = 0; i < count; i++)
        {
            var parser = new LineParser(values[i], into);
            while (parser.SkipToElement())
            {
                any = true;
                error = parser.ReadExtension(ref elements);
                if (error is not null)
                {
                    tooLarge = elements > HeaderList.MaxElements;
                    return false;
                }
            }
        }

        // extension-list = 1#extension: present, so not empty.
        error = any ? null : "is empty";
        return any;
    }

    private ref struct LineParser(ReadOnlySpan<char> line, List<Extension>? into)
    {
        private readonly List<Extension>? _into = into;
        private ReadOnlySpan<char> _rest = line;

        /// <summary>Skips white space and empty elements (RFC 9110 §5.6.1.2).</summary>
        public bool SkipToElement()
        {
            _rest = _rest.TrimStart(" \t,");
            return !_rest.IsEmpty;
        }

        // extension = extension-token *( ";" extension-param ), white space allowed between (RFC 2616 §2.1, implied *LWS).
        public string? ReadExtension(ref int elements)
        {
            string? error = ReadToken("the name of an extension", out ReadOnlySpan<char> name);
            List<ExtensionParameter>? parameters = _into is null ? null : [];
            while (error is null)
            {
                if (++elements > HeaderList.MaxElements)
                {
                    return $"has more than {HeaderList.MaxElements} extensions and parameters";
                }

                SkipWhiteSpace();
                if (_rest.IsEmpty || _rest[0] == ',')
                {
                    _into?.Add(new Extension(name.ToString(), parameters!));
                    return null;
                }

                error = Skip(';') ? ReadParameter(parameters) : Unexpected("';' or ','");
            }

            return error;
        }

        // extension-param = token [ "=" (token | quoted-string) ]
        private string? ReadParameter(List<ExtensionParameter>? parameters)
        {
            SkipWhiteSpace();
            string? error = ReadToken("the name of a parameter", out ReadOnlySpan<char> name);
            if (error is not null)
            {
                return error;
            }

            SkipWhiteSpace();
            if (!Skip('='))
            {
                parameters?.Add(new ExtensionParameter(name.ToString(), null));
                return null;
            }

            SkipWhiteSpace();
            if (!Skip('"'))
            {
                error = ReadToken("a parameter's value", out ReadOnlySpan<char> value);
                if (error is null)
                {
                    parameters?.Add(new ExtensionParameter(name.ToString(), value.ToString()));
                }

                return error;
            }

            return ReadQuoted(name, parameters);
        }

        // After unescaping, the value of a quoted-string must be a token (RFC 6455 §9.1).
        private string? ReadQuoted(ReadOnlySpan<char> name, List<ExtensionParameter>? parameters)
        {
            Span<char> value = stackalloc char[128];
            int length = 0;
            while (!_rest.IsEmpty)
            {
                char c = _rest[0];
                _rest = _rest[1..];
                if (c == '"')
                {
                    value = value[..length];
                    if (!HttpToken.IsValid(value))
                    {
                        return "has a quoted value that is not a token (RFC 6455 §9.1)";
                    }

                    parameters?.Add(new ExtensionParameter(name.ToString(), value.ToString()));
                    return null;
                }

                if (c == '\\')
                {
                    if (_rest.IsEmpty)
                    {
                        break;
                    }

                    c = _rest[0];
                    _rest = _rest[1..];
                }

                if (length == value.Length)
                {
                    return $"has a quoted value longer than {value.Length} characters";
                }

                value[length++] = c;
            }

            return "has a quoted value without its closing quote";
        }

        private string? ReadToken(string what, out ReadOnlySpan<char> token)
        {
            int length = HttpToken.PrefixLength(_rest);
            token = _rest[..length];
            _rest = _rest[length..];
            return length > 0 ? null : Unexpected(what);
        }

        private readonly string Unexpected(string expected) => _rest.IsEmpty
            ? $"ends where {expected} is expected"
            : $"has {PeerText.Quote(_rest[..1])} where {expected} is expected";

        private bool Skip(char c)
        {
            if (_rest.IsEmpty || _rest[0] != c)
            {
                return false;
            }

            _rest = _rest[1..];
            return true;
        }

        private void SkipWhiteSpace() => _rest = _rest.TrimStart(" \t");
    }
}
