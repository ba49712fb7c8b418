namespace Duologue.AspNetCore;

/// <summary>
/// A feature of a Kestrel connection whose transport can read the socket itself, so that the HTTP request, and all the memory
/// that Kestrel holds for it, may end while the conversation goes on.
/// </summary>
/// <remarks>
/// Asked for once per WebSocket over plain HTTP/1.1, after the 101 was flushed into the transport's pipe; never over TLS or
/// HTTP/2, where the bytes of the socket are not those of the conversation.
/// </remarks>
internal interface IConnectionDetachFeature
{
    /// <summary>Where the connections come from that are to go on with this one's thread; null where they are made one by one.</summary>
    ConnectionStock? Stock => null;

    /// <summary>
    /// The 101 is about to leave: a peer that ends its direction from now on ends a conversation's, which may still have answers for it. Kestrel, which would take that for the end of
    /// the connection, is not told until <see cref="GiveUp"/>.
    /// </summary>
    void Expect();

    /// <summary>There will be no conversation, or one over the pipe: Kestrel is told of the peer's end, also of one that came meanwhile.</summary>
    void GiveUp();

    /// <summary>Takes the connection over.</summary>
    /// <param name="connection">A connection that was not started.</param>
    /// <returns>
    /// True: the implementer calls <see cref="WebSocketConnection.Start"/>, now or when Kestrel has let go (what is sent until then
    /// waits), sends what is still in the pipe (the 101) before any frame, reads on after the request's head, and brings the
    /// connection to its end by itself, also when the server stops; the request ends at once, and nothing that belongs
    /// to it may be touched any more. False: it is as after <see cref="GiveUp"/>, and the conversation goes over the pipe. It must be false
    /// where other connection middleware stands between the socket and the request.
    /// </returns>
    bool TryDetach(WebSocketConnection connection);
}
