namespace Duologue.Browser.Tests.Comparison;

/// <summary>The C# class, driven by JavaScript in Jint, does in every scenario what was recorded of the browser.</summary>
public sealed class ScenarioTests
{
    public static TheoryData<string> Names => [.. Scenario.All("")];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task The_class_does_what_the_browser_did(string name)
    {
        var scenario = new Scenario(name);

        string log = await scenario.RunInJintAsync();

        if (Recording.IsOn)
        {
            await Recording.WriteAsync(name, ".ours.log", log);
            return;
        }

        Assert.Equal(scenario.Ours, log);
    }
}
