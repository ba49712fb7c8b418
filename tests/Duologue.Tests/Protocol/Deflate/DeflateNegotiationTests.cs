using Duologue.Protocol.Deflate;
using Duologue.Protocol.Handshake;

namespace Duologue.Tests.Protocol.Deflate;

public sealed class DeflateNegotiationTests
{
    [Theory]

    // What browsers offer.
    [InlineData("shared", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")]
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits", "permessage-deflate")]
    [InlineData("dedicated:12", "permessage-deflate; client_max_window_bits", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")]

    // RFC 7692 §7.1.1: what the client asks of the server is granted; what it says of itself is repeated.
    [InlineData("dedicated", "permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover")]
    [InlineData("dedicated", "permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover")]
    [InlineData("shared", "permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover")]

    // §7.1.2.1: the same or a smaller value; §7.1.2.2: a client that did not name the parameter cannot be bound.
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=10")]
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=15", "permessage-deflate; server_max_window_bits=15")]
    [InlineData("dedicated:9", "permessage-deflate; server_max_window_bits=10", "permessage-deflate; server_max_window_bits=9")]
    [InlineData("dedicated:9", "permessage-deflate", "permessage-deflate; server_max_window_bits=9")]
    [InlineData("dedicated:12", "permessage-deflate; client_max_window_bits=10", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=10")]
    [InlineData("dedicated:12", "permessage-deflate; client_max_window_bits=14", "permessage-deflate; server_max_window_bits=12; client_max_window_bits=12")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=\"11\"", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11")]

    // 8: read, not written.
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits=8", "permessage-deflate; client_max_window_bits=8")]
    [InlineData("shared", "permessage-deflate; client_max_window_bits=10", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=10")]
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=8", "")]
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=8, permessage-deflate", "permessage-deflate")]

    // The first that will do.
    [InlineData("shared", "x-webkit-deflate-frame, permessage-deflate; nonsense, permessage-deflate; server_max_window_bits=13, permessage-deflate", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=13")]
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits; client_max_window_bits, permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover")]

    // §7: unknown, repeated, or with a wrong value.
    [InlineData("shared", "permessage-deflate; foo", "")]
    [InlineData("shared", "permessage-deflate; foo=bar", "")]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", "")]
    [InlineData("shared", "permessage-deflate; client_no_context_takeover; client_no_context_takeover", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10", "")]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover=1", "")]
    [InlineData("shared", "permessage-deflate; client_no_context_takeover=true", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=7", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=16", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=09", "")]
    [InlineData("shared", "permessage-deflate; server_max_window_bits=1x", "")]
    [InlineData("shared", "permessage-deflate; client_max_window_bits=0", "")]
    [InlineData("shared", "permessage-deflate; client_max_window_bits=16", "")]
    [InlineData("shared", "permessage-deflate; client_max_window_bits=010", "")]
    [InlineData("shared", "permessage-deflate; client_max_window_bits=+9", "")]
    [InlineData("shared", "deflate, bbf-usp-protocol", "")]
    public void A_server_answers_the_first_offer_that_it_can_follow(string mode, string offers, string answer)
    {
        Extension? accepted = DeflateNegotiation.Accept(Parse(offers), Mode(mode), out DeflateAgreement? agreement);
        Assert.Equal(answer, accepted?.ToString() ?? "");
        Assert.Equal(answer.Length > 0, agreement is not null);
    }

    [Theory]
    [InlineData("off", "")]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits")]
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits")]
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=10; client_max_window_bits=10, permessage-deflate; client_max_window_bits=10")]
    public void A_client_offers_what_its_mode_wants(string mode, string offer) =>
        Assert.Equal(offer, string.Join(", ", (object[])DeflateNegotiation.Offer(Mode(mode))));

    [Theory]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover", true)]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=8", true)]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover; server_max_window_bits=9", true)]
    [InlineData("shared", "permessage-deflate", false)]
    [InlineData("dedicated", "permessage-deflate", true)]
    [InlineData("dedicated", "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8", true)]
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=10", true)]
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9", true)]

    // It answers the second offer.
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=12", true)]
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits", false)]
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits", false)]
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=16", false)]
    [InlineData("dedicated", "permessage-deflate; client_max_window_bits=7", false)]
    [InlineData("dedicated", "permessage-deflate; server_no_context_takeover=x", false)]
    [InlineData("dedicated", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", false)]
    [InlineData("dedicated", "permessage-deflate; foo", false)]
    public void A_client_follows_only_an_answer_to_its_offer(string mode, string answer, bool follows)
    {
        Extension[] offers = DeflateNegotiation.Offer(Mode(mode));
        string? error = DeflateNegotiation.FindError(offers, Assert.Single(Parse(answer)), out _);
        Assert.True(follows == error is null, error ?? "accepted");
    }

    [Fact]
    public void A_client_that_did_not_name_its_window_cannot_be_told_it()
    {
        Extension[] offers = [new DeflateParameters().ToExtension()];
        Assert.NotNull(DeflateNegotiation.FindError(offers, Assert.Single(Parse("permessage-deflate; client_max_window_bits=12")), out _));
        Extension[] bounded = [new DeflateParameters { ServerMaxWindowBits = 10 }.ToExtension()];
        Assert.NotNull(DeflateNegotiation.FindError(bounded, Assert.Single(Parse("permessage-deflate")), out _));
        Assert.NotNull(DeflateNegotiation.FindError(bounded, Assert.Single(Parse("permessage-deflate; server_max_window_bits=11")), out _));
    }

    [Theory]
    [InlineData("shared", "permessage-deflate; server_no_context_takeover", false, 15, false, 15)]
    [InlineData("dedicated", "permessage-deflate", true, 15, true, 15)]
    [InlineData("dedicated", "permessage-deflate; client_no_context_takeover", false, 15, true, 15)]
    [InlineData("dedicated", "permessage-deflate; server_no_context_takeover; client_max_window_bits=11", true, 11, false, 15)]
    [InlineData("dedicated:10", "permessage-deflate; server_max_window_bits=9; client_max_window_bits=12", true, 10, true, 9)]

    // Compressing so is beyond zlib; reading it is not.
    [InlineData("dedicated", "permessage-deflate; server_max_window_bits=8; client_max_window_bits=8", false, 0, true, 9)]
    public void A_client_concludes_what_both_do(string mode, string answer, bool sendsWithContext, int sendBits, bool receivesWithContext, int receiveBits)
    {
        Assert.True(DeflateParameters.TryRead(Assert.Single(Parse(answer)), isOffer: false, out DeflateParameters parameters, out _));
        DeflateAgreement agreement = DeflateNegotiation.Conclude(parameters, Mode(mode) with { Threshold = 77 });
        Assert.Equal((sendsWithContext, sendBits, receivesWithContext, receiveBits, 77),
            (agreement.SendsWithContext, agreement.SendWindowBits, agreement.ReceivesWithContext, agreement.ReceiveWindowBits, agreement.Threshold));
    }

    [Fact]
    public void Whatever_a_client_offers_both_sides_conclude_the_same()
    {
        string[] modes = ["shared", "dedicated", "dedicated:9", "dedicated:12"];
        foreach (string server in modes)
        {
            foreach (string client in modes)
            {
                Extension[] offers = DeflateNegotiation.Offer(Mode(client));
                Extension answer = DeflateNegotiation.Accept(offers, Mode(server), out DeflateAgreement? there)!;
                Assert.Null(DeflateNegotiation.FindError(offers, answer, out DeflateParameters parameters));
                DeflateAgreement here = DeflateNegotiation.Conclude(parameters, Mode(client));
                Assert.True(here.ReceiveWindowBits >= there!.SendWindowBits && there.ReceiveWindowBits >= here.SendWindowBits, $"{server} and {client}: windows");
                Assert.True(here.ReceivesWithContext || !there.SendsWithContext, $"{server} and {client}: the server's context");
                Assert.True(there.ReceivesWithContext || !here.SendsWithContext, $"{server} and {client}: the client's context");
            }
        }
    }

    private static Compression Mode(string text)
    {
        Assert.True(Compression.TryParse(text, out Compression compression));
        return compression;
    }

    private static List<Extension> Parse(string header)
    {
        List<Extension> extensions = [];
        Assert.True(ExtensionHeader.TryParse((string[])[header], extensions, out string? error, out _), error);
        return extensions;
    }
}
