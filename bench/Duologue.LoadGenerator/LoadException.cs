namespace Duologue.LoadGenerator;

/// <summary>The load could not be made, or the server did not do its part.</summary>
internal sealed class LoadException(string message) : Exception(message);
