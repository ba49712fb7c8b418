namespace Duologue.Client;

/// <summary>Where a server has its topics: one address for the socket of many, and one for each topic.</summary>
internal sealed class FeedAddress
{
    private readonly string _base;
    private readonly string _query;

    /// <exception cref="ArgumentException">The URI cannot be used.</exception>
    public FeedAddress(Uri uri)
    {
        Uri socket = WebSocketUri.Normalize(uri);
        var builder = new UriBuilder(socket) { Path = socket.AbsolutePath.TrimEnd('/') };
        Socket = builder.Uri;
        Origin = socket;

        // ws becomes http, wss https. User information does not go into requests' URIs, but into a header.
        _base = $"http{socket.Scheme.AsSpan(2)}://{socket.Authority}{socket.AbsolutePath.TrimEnd('/')}";
        _query = socket.Query.TrimStart('?');
    }

    /// <summary>The <c>ws</c> or <c>wss</c> address of many topics.</summary>
    public Uri Socket { get; }

    /// <summary>As it was given, for its user information.</summary>
    public Uri Origin { get; }

    /// <summary>The address of a topic; with parameters, if they are not empty.</summary>
    public Uri Of(string topic, string parameters)
    {
        string path = string.Join('/', topic.Split('/').Select(Uri.EscapeDataString));
        string query = _query.Length > 0 && parameters.Length > 0 ? $"{_query}&{parameters}" : _query + parameters;
        return new Uri($"{_base}/{path}{(query.Length > 0 ? "?" : "")}{query}");
    }
}
