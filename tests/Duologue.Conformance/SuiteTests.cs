using System.Collections.Concurrent;
using Duologue.Conformance;
using Duologue.Conformance.Carriers;
using Duologue.Conformance.Cases;
using Duologue.Conformance.Judge;
using Duologue.Conformance.Subjects;

[assembly: AssemblyFixture(typeof(Report))]

namespace Duologue.Conformance;

/// <summary>Plays all families against one judged peer over one carrier. A test is a family; its cases run side by side.</summary>
public abstract class SuiteTests : IAsyncLifetime
{
    // Most cases wait for the other side most of the time; those that move megabytes do not.
    private const int SideBySide = 24;
    private const int HeavySideBySide = 2;

    private readonly Arena _arena;

    internal SuiteTests(Arena arena) => _arena = arena;

    public static TheoryData<string, string> AllFamilies => [.. Families.Numbers.Select(number => (number, Families.Name(number)))];

    public async ValueTask InitializeAsync() => await _arena.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _arena.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(AllFamilies))]
    public async Task Every_case_of_a_family_is_answered_as_the_RFC_demands(string number, string name)
    {
        Assert.NotEmpty(name);
        Assert.SkipWhen(_arena.Obstacle is not null, _arena.Obstacle ?? "");
        Case[] cases = [.. Families.Cases(number, _arena.JudgesServer).Where((_, index) => _arena.Plays(index))];
        var complaints = new ConcurrentBag<string>();
        foreach (IGrouping<bool, Case> group in cases.GroupBy(@case => @case.Heavy))
        {
            var options = new ParallelOptions { MaxDegreeOfParallelism = group.Key ? HeavySideBySide : SideBySide, CancellationToken = TestContext.Current.CancellationToken };
            await Parallel.ForEachAsync(group, options, async (@case, cancellationToken) =>
            {
                Outcome outcome = await PlayAsync(@case, cancellationToken);
                Report.Add(outcome);
                if (outcome.Complaint is not null)
                {
                    complaints.Add($"{@case.Id} ({@case.Section}) {@case.Title}: {outcome.Complaint}");
                }
            });
        }

        Assert.True(complaints.IsEmpty, $"{complaints.Count} of {cases.Length} cases failed over {_arena.Carrier.Name()}, {_arena.Subject}:\n{string.Join('\n', complaints.Order(StringComparer.Ordinal).Take(40))}");
    }

    private async Task<Outcome> PlayAsync(Case @case, CancellationToken cancellationToken)
    {
        try
        {
            for (int attempt = 1; ; attempt++)
            {
                await using Wire wire = await _arena.OpenAsync(@case, cancellationToken);
                if (!wire.CanEnd && @case.Steps.Any(step => step is EndStep))
                {
                    return Outcome.Of(@case, _arena.Carrier, _arena.Subject, null) with { NotApplicable = "this carrier's client cannot end its direction alone" };
                }

                (string? complaint, bool wasSlow) = await Player.PlayAsync(@case, wire, _arena.JudgesServer, cancellationToken);
                if (complaint is null || !wasSlow || attempt == 3)
                {
                    return Outcome.Of(@case, _arena.Carrier, _arena.Subject, complaint);
                }
            }
        }
        catch (Exception e) when (e is IOException or HttpRequestException or DuologueException or TimeoutException or System.Net.Sockets.SocketException or System.Security.Authentication.AuthenticationException)
        {
            return Outcome.Of(@case, _arena.Carrier, _arena.Subject, $"the WebSocket did not open: {e.Message}");
        }
    }
}

public sealed class HandlerClassOverHttp1Tests() : SuiteTests(new ServerArena(Carrier.Http1, handlerClass: true));

public sealed class PullDelegateOverHttp1Tests() : SuiteTests(new ServerArena(Carrier.Http1, handlerClass: false));

public sealed class ClientOverHttp1Tests() : SuiteTests(new ClientArena(Carrier.Http1));

public sealed class HandlerClassOverHttp1TlsTests() : SuiteTests(new ServerArena(Carrier.Http1Tls, handlerClass: true));

public sealed class PullDelegateOverHttp1TlsTests() : SuiteTests(new ServerArena(Carrier.Http1Tls, handlerClass: false));

public sealed class ClientOverHttp1TlsTests() : SuiteTests(new ClientArena(Carrier.Http1Tls));

public sealed class HandlerClassOverIoUringTests() : SuiteTests(new ServerArena(Carrier.IoUring, handlerClass: true));

public sealed class PullDelegateOverIoUringTests() : SuiteTests(new ServerArena(Carrier.IoUring, handlerClass: false));

public sealed class HandlerClassOverEpollTests() : SuiteTests(new ServerArena(Carrier.Epoll, handlerClass: true));

public sealed class PullDelegateOverEpollTests() : SuiteTests(new ServerArena(Carrier.Epoll, handlerClass: false));

public sealed class HandlerClassOverHttp2Tests() : SuiteTests(new ServerArena(Carrier.Http2, handlerClass: true));

public sealed class PullDelegateOverHttp2Tests() : SuiteTests(new ServerArena(Carrier.Http2, handlerClass: false));

public sealed class ClientOverHttp2Tests() : SuiteTests(new ClientArena(Carrier.Http2));

public sealed class HandlerClassOverHttp2TlsTests() : SuiteTests(new ServerArena(Carrier.Http2Tls, handlerClass: true));

public sealed class PullDelegateOverHttp2TlsTests() : SuiteTests(new ServerArena(Carrier.Http2Tls, handlerClass: false));

public sealed class ClientOverHttp2TlsTests() : SuiteTests(new ClientArena(Carrier.Http2Tls));
