using System.Net;
using Duologue.Client;

namespace Duologue.Tests.Client.Reconnecting;

public class VerdictTests
{
    private static readonly DateTimeOffset Now = new(2026, 1, 1, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(1000, "End")]
    [InlineData(1001, "Spread")]
    [InlineData(1002, "Return")]
    [InlineData(1005, "Return")]
    [InlineData(1006, "Return")]
    [InlineData(1008, "End")]
    [InlineData(1009, "Return")]
    [InlineData(1011, "Return")]
    [InlineData(1012, "Spread")]
    [InlineData(1013, "Spread")]
    [InlineData(3000, "Return")]
    [InlineData(4000, "Return")]
    [InlineData(4399, "Return")]
    [InlineData(4400, "End")]
    [InlineData(4499, "End")]
    [InlineData(4500, "Return")]
    public void The_code_that_the_server_closes_with_decides(int code, string expected) =>
        Assert.Equal(expected, Verdict.Of(new CloseInfo((ushort)code, "", ByPeer: true, WasClean: true, CloseCause.PeerClosed)).Kind.ToString());

    [Theory]
    [InlineData(1008, CloseCause.LimitExceeded)]
    [InlineData(1006, CloseCause.ConnectionLost)]
    [InlineData(1006, CloseCause.KeepAliveTimeout)]
    [InlineData(1013, CloseCause.SendQueueFull)]
    [InlineData(1000, CloseCause.LocalClose)]
    public void What_this_side_found_wrong_is_no_reason_to_stay_away(int code, CloseCause cause) =>
        Assert.Equal(VerdictKind.Return, Verdict.Of(new CloseInfo((ushort)code, "", ByPeer: false, WasClean: false, cause)).Kind);

    [Theory]
    [InlineData(301, "Refused")]
    [InlineData(400, "Refused")]
    [InlineData(401, "Refused")]
    [InlineData(403, "Refused")]
    [InlineData(404, "Refused")]
    [InlineData(408, "Return")]
    [InlineData(425, "Return")]
    [InlineData(429, "Return")]
    [InlineData(500, "Return")]
    [InlineData(503, "Return")]
    public void The_status_of_a_refusal_decides(int status, string expected) =>
        Assert.Equal(expected, Verdict.Of(new HandshakeException("", null) { StatusCode = (HttpStatusCode)status }, Now).Kind.ToString());

    [Fact]
    public void What_no_server_has_answered_is_tried_again() =>
        Assert.Equal(VerdictKind.Return, Verdict.Of(new HandshakeException("", null) { Failure = ConnectFailure.Connection }, Now).Kind);

    [Theory]
    [InlineData("7", 7.0)]
    [InlineData("Thu, 01 Jan 2026 12:00:09 GMT", 9.0)]
    [InlineData("Thu, 01 Jan 2026 11:00:00 GMT", 0.0)]
    [InlineData("soon", null)]
    [InlineData("-1", null)]
    [InlineData("99999999999", null)]
    public void Retry_After_has_seconds_or_a_date(string value, double? seconds)
    {
        var refusal = new HandshakeException("", null)
        {
            StatusCode = HttpStatusCode.ServiceUnavailable,
            Headers = new Dictionary<string, IReadOnlyList<string>> { ["Retry-After"] = [value] },
        };
        Assert.Equal(seconds, Verdict.Of(refusal, Now).RetryAfter?.TotalSeconds);
    }
}
