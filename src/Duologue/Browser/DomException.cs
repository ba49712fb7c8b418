namespace Duologue.Browser;

/// <summary>
/// A wrong use of the browser's interface, thrown before anything is sent. What goes wrong later, on the wire, never
/// throws: it fires <c>error</c> and <c>close</c>.
/// </summary>
public sealed class DomException : DuologueException
{
    internal DomException(string name, string message, Exception? inner = null)
        : base(message, inner)
    {
        Name = name;
    }

    /// <summary>
    /// The standard's name of the error: <c>SyntaxError</c>, <c>InvalidAccessError</c>, <c>InvalidStateError</c> or,
    /// for a <see cref="Blob"/> whose file has changed, <c>NotReadableError</c>. Source: WHATWG Web IDL §2.8.1.
    /// </summary>
    public string Name { get; }

    internal static DomException Syntax(string message) => new("SyntaxError", message);

    internal static DomException InvalidAccess(string message) => new("InvalidAccessError", message);

    internal static DomException InvalidState(string message) => new("InvalidStateError", message);

    internal static DomException NotReadable(string message, Exception? inner = null) => new("NotReadableError", message, inner);
}
