using Duologue.Tests.Shared;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace Duologue.Tests.Diagnostics;

public class SteadyLoggerTests
{
    [Fact]
    public void A_sink_that_throws_is_no_trouble_of_those_who_log_and_the_others_have_the_event()
    {
        using var full = new FullDisk();
        using var beside = new FakeLoggerProvider();
        using ILoggerFactory factory = LoggerFactory.Create(logging => logging.AddProvider(full).AddProvider(beside));
        var logger = new SteadyLogger(factory.CreateLogger("Duologue"));
        logger.KeepAliveTimedOut("1", TimeSpan.FromSeconds(1));
        Assert.Equal(1, full.Refused);
        Assert.Equal("KeepAliveTimedOut", Assert.Single(beside.Collector.GetSnapshot()).Id.Name);
    }
}
