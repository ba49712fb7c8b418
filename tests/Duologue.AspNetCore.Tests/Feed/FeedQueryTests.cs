using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Feed;

public sealed class FeedQueryTests
{
    private const int MaxItems = 500;

    private static readonly TopicPosition Here = new(7, 3);
    private static readonly TopicPosition There = new(7, 4);

    [Theory]
    [InlineData("", TopicStartKind.Oldest)]
    [InlineData("?after=", TopicStartKind.Oldest)]
    [InlineData("?after=oldest", TopicStartKind.Oldest)]
    [InlineData("?after=now", TopicStartKind.Now)]
    [InlineData("?after=now&after=oldest", TopicStartKind.Oldest)]
    public void Where_to_begin_is_a_word_or_the_oldest(string query, TopicStartKind expected) => Assert.Equal(expected, Read(query).Start.Kind);

    [Fact]
    public void Where_to_begin_is_a_cursor_and_a_stream_that_comes_back_knows_better_than_its_URL()
    {
        Assert.Equal(TopicStart.After(Here), Read($"?after={Here}").Start);
        Assert.Equal(TopicStart.After(There), Read($"?after={Here}", ("Accept", "text/event-stream"), ("Last-Event-ID", There.ToString())).Start);

        // A plain request that sends it means nothing by it.
        Assert.Equal(TopicStart.After(Here), Read($"?after={Here}", ("Last-Event-ID", There.ToString())).Start);
    }

    [Theory]
    [InlineData("?after=yesterday", nameof(FeedRefusalReason.Cursor))]
    [InlineData("?limit=0", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?limit=-1", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?limit=1.5", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?limit=", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?wait=-1", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?wait=1e3", nameof(FeedRefusalReason.Parameter))]
    [InlineData("?wait=soon", nameof(FeedRefusalReason.Parameter))]
    public void What_is_out_of_its_range_is_refused(string query, string reason) =>
        Assert.Equal(reason, FeedQuery.TryRead(RequestOf(query), MaxItems, out _)?.Reason.ToString());

    [Theory]
    [InlineData("", 100)]
    [InlineData("?limit=1", 1)]
    [InlineData("?limit=500", 500)]
    [InlineData("?limit=501", 500)]
    public void The_limit_is_cut_to_the_most(string query, int expected) => Assert.Equal(expected, Read(query).Limit);

    [Theory]
    [InlineData("", 0)]
    [InlineData("?wait=0", 0)]
    [InlineData("?wait=0.5", 0.5)]
    [InlineData("?wait=30", 30)]
    [InlineData("?wait=1000000", 86_400)]
    public void The_wait_is_in_seconds(string query, double expected) =>
        Assert.Equal((TimeSpan.FromSeconds(expected), false), (Read(query).Wait, Read(query).IsPreferred));

    [Theory]
    [InlineData("wait=30", 30)]
    [InlineData("Wait = \"30\"", 30)]
    [InlineData("respond-async, wait=30", 30)]
    [InlineData("respond-async; wait=30", 30)]
    [InlineData("wait=soon", null)]
    [InlineData("waiting=30", null)]
    [InlineData("wait", null)]
    public void A_wait_may_be_a_preference_and_one_that_is_not_understood_is_none(string prefer, int? expected) =>
        Assert.Equal((TimeSpan.FromSeconds(expected ?? 0), expected is not null), (Read("", ("Prefer", prefer)).Wait, Read("", ("Prefer", prefer)).IsPreferred));

    [Fact]
    public void What_the_URL_says_comes_before_a_preference() =>
        Assert.Equal((TimeSpan.FromSeconds(5), false), (Read("?wait=5", ("Prefer", "wait=30")).Wait, Read("?wait=5", ("Prefer", "wait=30")).IsPreferred));

    private static FeedQuery Read(string query, params (string Name, string Value)[] headers)
    {
        Assert.Null(FeedQuery.TryRead(RequestOf(query, headers), MaxItems, out FeedQuery read));
        return read;
    }

    private static HttpRequest RequestOf(string query, params (string Name, string Value)[] headers)
    {
        HttpRequest request = new DefaultHttpContext().Request;
        request.QueryString = new QueryString(query);
        foreach ((string name, string value) in headers)
        {
            request.Headers[name] = value;
        }

        return request;
    }
}
