namespace Duologue.Browser;

/// <summary>How a binary message is given to listeners in <see cref="MessageEvent.Data"/>. Source: WHATWG WebSockets §3.1.</summary>
public enum BinaryType
{
    /// <summary>As a <see cref="Browser.Blob"/>. The default.</summary>
    Blob,

    /// <summary>As a byte array, what .NET has for an ArrayBuffer.</summary>
    ArrayBuffer,
}
