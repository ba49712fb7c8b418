namespace Duologue.Cli.Talk;

/// <summary>
/// The last <see cref="TalkLimits.History"/> texts and files, for newcomers. The contents of files are kept up to a budget, the
/// oldest go first; that a file was sent is remembered longer. Guarded by the room's lock.
/// </summary>
internal sealed class TalkHistory(int fileBudget)
{
    private readonly Queue<Entry> _entries = new();
    private long _fileBytes;

    public IEnumerable<Entry> Entries => _entries;

    /// <param name="place">Where it stands in the talk's log.</param>
    /// <param name="utterance">What was said.</param>
    /// <param name="file">The file's content, if there is one.</param>
    public void Add(long place, Utterance utterance, byte[]? file)
    {
        if (file?.Length > fileBudget)
        {
            file = null;
        }

        _entries.Enqueue(new(place, utterance) { File = file });
        _fileBytes += file?.Length ?? 0;
        while (_entries.Count > TalkLimits.History)
        {
            Forget(_entries.Dequeue());
        }

        foreach (Entry entry in _entries)
        {
            if (_fileBytes <= fileBudget)
            {
                break;
            }

            Forget(entry);
        }
    }

    public void Clear()
    {
        _entries.Clear();
        _fileBytes = 0;
    }

    private void Forget(Entry entry)
    {
        _fileBytes -= entry.File?.Length ?? 0;
        entry.File = null;
    }

    internal sealed class Entry(long place, Utterance utterance)
    {
        public long Place { get; } = place;

        public Utterance Utterance { get; } = utterance;

        /// <summary>The file's content, while it is kept.</summary>
        public byte[]? File { get; set; }
    }
}
