using System.Net;

namespace Duologue.AspNetCore.Tests.Registry;

public class AdmissionControlTests
{
    [Fact]
    public void Without_limits_all_enter()
    {
        var admission = new AdmissionControl(0, 0);

        for (int i = 0; i < 1000; i++)
        {
            Assert.Null(admission.TryEnter(IPAddress.Loopback, out _));
        }
    }

    [Fact]
    public void A_place_that_is_left_is_free_again()
    {
        var admission = new AdmissionControl(2, 0);

        Assert.Null(admission.TryEnter(null, out AddressKey first));
        Assert.Null(admission.TryEnter(null, out _));
        Assert.Equal(RefusalReason.ConnectionLimit, admission.TryEnter(null, out _));
        admission.Leave(first);
        Assert.Null(admission.TryEnter(null, out _));
        Assert.Equal(RefusalReason.ConnectionLimit, admission.TryEnter(null, out _));
    }

    [Theory]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    [InlineData("10.0.0.1", "::ffff:10.0.0.1", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    [InlineData("::1", "0.0.0.0", false)]
    [InlineData("0.0.0.0", "0.0.0.0", true)]
    [InlineData("::", "::", true)]
    public void Addresses_count_alone_and_networks_of_IPv6_together(string one, string other, bool together)
    {
        var admission = new AdmissionControl(0, 1);

        Assert.Null(admission.TryEnter(IPAddress.Parse(one), out AddressKey key));
        Assert.Equal(together ? RefusalReason.AddressLimit : null, admission.TryEnter(IPAddress.Parse(other), out _));
        admission.Leave(key);
        Assert.Null(admission.TryEnter(IPAddress.Parse(one), out _));
    }

    [Theory]
    [InlineData("10.0.0.1", "::ffff:10.0.0.1")]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2")]
    public void Whoever_came_from_an_address_gives_its_place_back(string came, string leaves)
    {
        var admission = new AdmissionControl(0, 1);

        Assert.Null(admission.TryEnter(IPAddress.Parse(came), out _));
        admission.Leave(IPAddress.Parse(leaves));
        Assert.Equal(0, admission.Addresses);
        Assert.Equal(0, admission.Total);
    }

    [Fact]
    public void Without_a_limit_per_address_nobody_counts_for_one()
    {
        var admission = new AdmissionControl(1, 0);

        Assert.Null(admission.TryEnter(IPAddress.Loopback, out _));
        admission.Leave(IPAddress.Loopback);
        Assert.Equal(0, admission.Total);
        Assert.Null(admission.TryEnter(null, out _));
        admission.Leave((IPAddress?)null);
        Assert.Equal(0, admission.Total);
    }

    [Fact]
    public void One_refused_for_its_address_takes_no_place_of_the_total()
    {
        var admission = new AdmissionControl(2, 1);

        Assert.Null(admission.TryEnter(IPAddress.Parse("10.0.0.1"), out _));
        Assert.Equal(RefusalReason.AddressLimit, admission.TryEnter(IPAddress.Parse("10.0.0.1"), out _));
        Assert.Null(admission.TryEnter(IPAddress.Parse("10.0.0.2"), out _));
    }

    [Fact]
    public async Task The_limit_holds_for_many_at_once()
    {
        var admission = new AdmissionControl(50, 20);
        int inside = 0;
        int most = 0;

        await Parallel.ForAsync(0, 20_000, TestContext.Current.CancellationToken, (i, _) =>
        {
            if (admission.TryEnter(new IPAddress(new byte[] { 10, 0, 0, (byte)(i % 4) }), out AddressKey key) is null)
            {
                int now = Interlocked.Increment(ref inside);
                InterlockedMax(ref most, now);
                Interlocked.Decrement(ref inside);
                admission.Leave(key);
            }

            return ValueTask.CompletedTask;
        });

        Assert.InRange(most, 1, 50);
        for (int i = 0; i < 20; i++)
        {
            Assert.Null(admission.TryEnter(IPAddress.Parse("10.0.0.0"), out _));
        }

        Assert.Equal(RefusalReason.AddressLimit, admission.TryEnter(IPAddress.Parse("10.0.0.0"), out _));
    }

    private static void InterlockedMax(ref int target, int value)
    {
        int seen;
        while ((seen = Volatile.Read(ref target)) < value && Interlocked.CompareExchange(ref target, value, seen) != seen)
        {
        }
    }
}
