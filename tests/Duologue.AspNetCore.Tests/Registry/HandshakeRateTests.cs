using System.Net;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.AspNetCore.Tests.Registry;

public class HandshakeRateTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Without_limits_all_pass_and_nobody_is_remembered()
    {
        var rate = new HandshakeRate(0, 0, _time);

        for (int i = 0; i < 1000; i++)
        {
            Assert.Null(rate.TryTake(IPAddress.Loopback));
        }

        Assert.Equal(0, rate.Addresses);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(1000)]
    [InlineData(int.MaxValue)]
    public void A_second_of_rest_is_worth_a_second_at_once(int perSecond)
    {
        var rate = new HandshakeRate(perSecond, 0, _time);
        int atOnce = Math.Min(perSecond, 2000);

        for (int second = 0; second < 3; second++)
        {
            for (int i = 0; i < atOnce; i++)
            {
                Assert.Null(rate.TryTake(null));
            }

            if (atOnce == perSecond)
            {
                Assert.Equal(RefusalReason.HandshakeRate, rate.TryTake(null));
            }

            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public void After_the_rest_is_used_up_one_passes_at_a_time()
    {
        var rate = new HandshakeRate(10, 0, _time);
        while (rate.TryTake(null) is null)
        {
        }

        for (int i = 0; i < 20; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            Assert.Null(rate.TryTake(null));
            Assert.Equal(RefusalReason.HandshakeRate, rate.TryTake(null));
        }
    }

    [Theory]
    [InlineData("10.0.0.1", "::ffff:10.0.0.1", true)]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    public void Addresses_have_a_rate_each_and_networks_of_IPv6_one_together(string one, string other, bool together)
    {
        var rate = new HandshakeRate(0, 1, _time);

        Assert.Null(rate.TryTake(IPAddress.Parse(one)));
        Assert.Equal(together ? RefusalReason.AddressRate : null, rate.TryTake(IPAddress.Parse(other)));
        Assert.Null(rate.TryTake(null));
    }

    [Fact]
    public void What_one_address_sends_too_much_of_takes_nothing_from_the_others()
    {
        var rate = new HandshakeRate(2, 1, _time);

        Assert.Null(rate.TryTake(IPAddress.Parse("10.0.0.1")));
        for (int i = 0; i < 100; i++)
        {
            Assert.Equal(RefusalReason.AddressRate, rate.TryTake(IPAddress.Parse("10.0.0.1")));
        }

        Assert.Null(rate.TryTake(IPAddress.Parse("10.0.0.2")));
        Assert.Equal(RefusalReason.HandshakeRate, rate.TryTake(IPAddress.Parse("10.0.0.3")));
    }

    [Fact]
    public void Addresses_are_forgotten_when_they_have_rested()
    {
        var rate = new HandshakeRate(0, 100, _time);
        byte[] bytes = [10, 0, 0, 0];
        for (int i = 0; i < 100_000; i++)
        {
            (bytes[1], bytes[2], bytes[3]) = ((byte)(i >> 16), (byte)(i >> 8), (byte)i);
            Assert.Null(rate.TryTake(new IPAddress(bytes)));
            _time.Advance(TimeSpan.FromMilliseconds(1));
        }

        Assert.InRange(rate.Addresses, 1, 3000);
    }

    [Fact]
    public void A_burst_of_addresses_does_not_leave_its_table_behind()
    {
        var rate = new HandshakeRate(0, 1, _time);
        const int Burst = 50_000;
        for (int i = 0; i < Burst; i++)
        {
            rate.TryTake(new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i]));
        }

        Assert.True(rate.Capacity >= Burst);
        for (int i = 0; i < 3 * Burst; i++)
        {
            // A newcomer each time, and long after the one before: no more than a few are remembered at once.
            _time.Advance(TimeSpan.FromSeconds(2));
            rate.TryTake(new IPAddress([12, (byte)(i >> 16), (byte)(i >> 8), (byte)i]));
        }

        Assert.InRange(rate.Capacity, 1, Burst / 4);
    }
}
