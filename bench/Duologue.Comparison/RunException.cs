namespace Duologue.Comparison;

/// <summary>What keeps the comparison from being made, in a sentence.</summary>
internal sealed class RunException(string message) : Exception(message);
