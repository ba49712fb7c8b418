namespace Duologue;

/// <summary>What is special about one message that is sent.</summary>
[Flags]
#pragma warning disable CA1711 // It is a set of flags, and is called so in the field.
public enum MessageFlags
#pragma warning restore CA1711
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>
    /// The message is sent as it is, also where the connection compresses. For messages that hold a secret beside text that somebody
    /// else can choose: the size of a compressed message tells how much the two have in common, and so, guess by guess, the secret (the attacks
    /// CRIME and BREACH). Also for what is compressed already, such as images.
    /// </summary>
    DisableCompression = 1,
}
