namespace Duologue.Soak;

/// <summary>The run cannot be done, or has not come out well; the message says what to do or what was found.</summary>
internal sealed class SoakException(string message) : Exception(message);
