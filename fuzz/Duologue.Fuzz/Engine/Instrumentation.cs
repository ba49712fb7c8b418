using SharpFuzz;

namespace Duologue.Fuzz.Engine;

/// <summary>Makes a copy of this program whose Duologue tells which branches it takes.</summary>
internal static class Instrumentation
{
    /// <summary>Copies the folder of this program and instruments the copy of Duologue in it.</summary>
    /// <returns>The number of types that were instrumented.</returns>
    public static int Create(string folder)
    {
        string source = AppContext.BaseDirectory;
        if (Directory.Exists(folder))
        {
            Directory.Delete(folder, recursive: true);
        }

        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string target = Path.Combine(folder, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }

        return Fuzzer.Instrument(Path.Combine(folder, "Duologue.dll"), static _ => true, Options.Value).Count();
    }
}
