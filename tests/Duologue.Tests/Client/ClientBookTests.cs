using System.Reflection;

namespace Duologue.Tests.Client;

/// <summary>docs/client.md, held against the code.</summary>
public class ClientBookTests
{
    [Fact]
    public void Every_option_of_a_client_has_a_line_in_the_table()
    {
        string directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Duologue.slnx")))
        {
            directory = Path.GetDirectoryName(directory) ?? throw new DirectoryNotFoundException("Duologue.slnx is in no directory above the tests.");
        }

        string book = File.ReadAllText(Path.Combine(directory, "docs", "client.md"));
        IEnumerable<string> options = typeof(ConnectOptions)
            .GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Select(option => option.Name);
        Assert.All(options, option => Assert.Contains($"| `{option}` |", book, StringComparison.Ordinal));
    }
}
