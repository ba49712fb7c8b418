using CsCheck;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Handshake;

public class HandshakeKeyTests
{
    [Fact]
    public void The_accept_value_of_the_specification_s_key_is_the_specification_s_answer() =>
        Assert.Equal("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", HandshakeKey.ComputeAccept("dGhlIHNhbXBsZSBub25jZQ==")); // RFC 6455 §1.3

    [Fact]
    public void A_generated_key_is_valid_and_new_each_time()
    {
        string[] keys = [.. Enumerable.Range(0, 100).Select(_ => HandshakeKey.Generate())];
        Assert.All(keys, key => Assert.True(HandshakeKey.IsValid(key)));
        Assert.Equal(keys.Length, keys.Distinct().Count());
    }

    [Fact]
    public void A_key_is_valid_exactly_if_it_holds_sixteen_bytes() =>
        Gen.Byte.Array[0, 40].Sample(bytes => HandshakeKey.IsValid(Convert.ToBase64String(bytes)) == (bytes.Length == 16));

    [Theory]
    [InlineData("")]
    [InlineData("dGhlIHNhbXBsZSBub25jZQ")] // no padding
    [InlineData("dGhlIHNhbXBsZSBub25jZQ= ")]
    [InlineData("dGhlIHNhbXBsZSBub25j\r\nZQ")]
    [InlineData("dGhlIHNhbXBsZSBub25jZ===")]
    [InlineData("dGhlIHNhbXBsZSBub25j_Q==")] // the URL alphabet
    [InlineData("dGhlIHNhbXBsZSBub25j\u0141Q==")]
    [InlineData(" dGhlIHNhbXBsZSBub25jZQ==")]
    public void A_key_that_is_not_the_base64_of_sixteen_bytes_is_refused(string key) => Assert.False(HandshakeKey.IsValid(key));

    [Fact]
    public void Computing_into_a_span_allocates_nothing()
    {
        string key = HandshakeKey.Generate();
        Span<char> accept = stackalloc char[HandshakeKey.AcceptLength];
        HandshakeKey.ComputeAccept(key, accept);
        long before = GC.GetAllocatedBytesForCurrentThread();
        HandshakeKey.ComputeAccept(key, accept);
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
