using System.Reflection;
using Duologue.Tests.Shared;

namespace Duologue.Tests.Client;

/// <summary>docs/client.md, held against the code.</summary>
public class ClientBookTests
{
    [Fact]
    public void Every_option_of_a_client_has_a_line_in_the_table()
    {
        string book = File.ReadAllText(Repository.PathOf("docs/client.md"));
        IEnumerable<string> options = new[] { typeof(ConnectOptions), typeof(ReconnectOptions), typeof(DuologueClientOptions), typeof(TopicClientOptions) }
            .SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly))
            .Select(option => option.Name);
        Assert.All(options, option => Assert.Contains($"| `{option}` |", book, StringComparison.Ordinal));
    }
}
