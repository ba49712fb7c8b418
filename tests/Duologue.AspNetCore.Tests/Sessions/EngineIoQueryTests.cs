using Microsoft.AspNetCore.Http;

namespace Duologue.AspNetCore.Tests.Sessions;

public sealed class EngineIoQueryTests
{
    [Theory]
    [InlineData("", false)]
    [InlineData("?room=1", false)]
    [InlineData("?transport=carrier-pigeon", false)]
    [InlineData("?transport=polling", true)]
    [InlineData("?transport=websocket", true)]
    [InlineData("?EIO=4", true)]
    [InlineData("?EIO=3", true)]
    public void It_is_told_by_the_version_or_one_of_the_transports(string query, bool expected) => Assert.Equal(expected, EngineIoQuery.IsOn(RequestOf(query)));

    [Theory]
    [InlineData("?EIO=4", true)]
    [InlineData("?EIO=3", false)]
    [InlineData("?EIO=3&EIO=4", true)]
    [InlineData("?transport=polling", false)]
    public void Of_the_versions_it_is_the_fourth_and_of_a_repeated_parameter_the_last_counts(string query, bool expected) => Assert.Equal(expected, Read(query).IsVersion4);

    [Theory]
    [InlineData("?sid=", null)]
    [InlineData("?sid=a.b", "a.b")]
    public void No_session_is_named_by_nothing(string query, string? expected) => Assert.Equal(expected, Read(query).SessionId);

    [Theory]
    [InlineData("?t=Pabc1", "Pabc1")]
    [InlineData("?t=1764417600", null)]
    [InlineData("?t=", null)]
    [InlineData("", null)]
    public void Digits_alone_name_no_request(string query, string? expected) => Assert.Equal(expected, Read(query).Name);

    [Theory]
    [InlineData(64, true)]
    [InlineData(65, false)]
    public void A_name_is_kept_only_if_it_is_short(int length, bool isKept) => Assert.Equal(isKept, Read("?t=" + new string('x', length)).Name is not null);

    [Theory]
    [InlineData("", null, true)]
    [InlineData("?wait=0", 0.0, true)]
    [InlineData("?wait=0.2", 0.2, true)]
    [InlineData("?wait=55", 55.0, true)]
    [InlineData("?wait=56", 55.0, true)]
    [InlineData("?wait=1000000", 55.0, true)]
    [InlineData("?wait=-1", null, false)]
    [InlineData("?wait=soon", null, false)]
    [InlineData("?wait=", null, false)]
    public void A_wait_is_cut_to_what_proxies_hold(string query, double? seconds, bool isValid) =>
        Assert.Equal((seconds, isValid), (Read(query).Wait?.TotalSeconds, Read(query).IsWaitValid));

    [Theory]
    [InlineData("", false)]
    [InlineData("?b64=0", false)]
    [InlineData("?b64=", false)]
    [InlineData("?b64=1", true)]
    public void Base64_is_for_those_who_ask_for_it(string query, bool expected) => Assert.Equal(expected, Read(query).WantsBase64);

    private static EngineIoQuery Read(string query) => EngineIoQuery.Read(RequestOf(query));

    private static HttpRequest RequestOf(string query)
    {
        HttpRequest request = new DefaultHttpContext().Request;
        request.QueryString = new QueryString(query);
        return request;
    }
}
