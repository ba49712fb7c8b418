using System.IO.MemoryMappedFiles;

namespace Duologue.Fuzz.Engine;

/// <summary>
/// Keeps the input under way in a file that outlives the process: native code can end it without an exception, and an
/// endless loop has none.
/// </summary>
internal sealed class CrashJournal : IDisposable
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;

    public CrashJournal(string path, int maxLength)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, sizeof(int) + maxLength);
        _view = _file.CreateViewAccessor();
    }

    public void Write(byte[] input)
    {
        _view.Write(0, input.Length);
        _view.WriteArray(sizeof(int), input, 0, input.Length);
    }

    /// <summary>The input that a process was at when it ended.</summary>
    public static byte[] Read(string path)
    {
        byte[] content = File.ReadAllBytes(path);
        return content.AsSpan(sizeof(int), BitConverter.ToInt32(content)).ToArray();
    }

    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
    }
}
