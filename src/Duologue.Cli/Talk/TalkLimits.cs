namespace Duologue.Cli.Talk;

/// <summary>What one person may do to the others in the talk. Documented in docs/talk.md.</summary>
internal static class TalkLimits
{
    /// <summary>UTF-16 code units of one text.</summary>
    public const int Text = 4000;

    /// <summary>UTF-16 code units of a name.</summary>
    public const int Name = 32;

    /// <summary>UTF-16 code units of a file's name.</summary>
    public const int FileName = 120;

    /// <summary>UTF-8 bytes of the JSON head of a file.</summary>
    public const int FileHead = 4096;

    /// <summary>What a person may send to the others at once: texts, files and changes of name.</summary>
    public const int Burst = 20;

    /// <summary>How many of those come back each second.</summary>
    public const int PerSecond = 5;

    /// <summary>How many refusals in a row end the connection.</summary>
    public const int Patience = 100;

    /// <summary>How many texts and files a newcomer is told.</summary>
    public const int History = 100;
}
