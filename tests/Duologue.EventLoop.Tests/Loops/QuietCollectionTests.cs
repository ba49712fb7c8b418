using System.Runtime.InteropServices;
using Duologue.EventLoop.Loops;
using Duologue.EventLoop.Tests.Support;

namespace Duologue.EventLoop.Tests.Loops;

[Collection(Alone.Name)]
public class QuietCollectionTests
{
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(100);

    private long _count;
    private int _collections;
    private TimeSpan _now = TimeSpan.FromHours(1);
    private readonly QuietCollection _collection;

    public QuietCollectionTests() => _collection = new QuietCollection(() => _count, () => _collections++);

    [Fact]
    public void A_burst_is_collected_once_when_it_has_been_quiet_for_a_while()
    {
        Pass(TimeSpan.FromSeconds(1));
        _count += QuietCollection.Burst;
        Pass(QuietCollection.Quiet - Moment);
        Assert.Equal(0, _collections);
        Pass(2 * Moment);
        Assert.Equal(1, _collections);
        Pass(TimeSpan.FromMinutes(10));
        Assert.Equal(1, _collections);
    }

    [Fact]
    public void Nothing_is_collected_while_connections_come_and_go()
    {
        for (int i = 0; i < 1000; i++)
        {
            _count += 10;
            Pass(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(0, _collections);
    }

    [Fact]
    public void Few_connections_are_no_burst_but_add_up()
    {
        _count += QuietCollection.Burst - 1;
        Pass(TimeSpan.FromMinutes(10));
        Assert.Equal(0, _collections);
        _count += QuietCollection.Trickle + 1;
        Pass(TimeSpan.FromMinutes(1));
        Assert.Equal(1, _collections);
    }

    [Fact]
    public void Health_checks_do_not_put_it_off()
    {
        _count += QuietCollection.Burst;
        for (int i = 0; i < 10; i++)
        {
            // A connection comes and goes.
            _count += 2;
            Pass(TimeSpan.FromSeconds(5));
        }

        Assert.Equal(1, _collections);
    }

    [Fact]
    public void A_trickle_alone_is_no_burst_however_long_it_lasts()
    {
        for (int i = 0; i < 4000; i++)
        {
            _count++;
            Pass(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(0, _collections);
    }

    [Fact]
    public void The_next_burst_is_collected_too()
    {
        for (int burst = 1; burst <= 3; burst++)
        {
            _count += QuietCollection.Burst;
            Pass(TimeSpan.FromMinutes(1));
            Assert.Equal(burst, _collections);
        }
    }

    [Fact]
    public unsafe void What_the_C_library_keeps_of_freed_memory_is_given_back()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && !RuntimeInformation.RuntimeIdentifier.Contains("musl", StringComparison.Ordinal), "Only glibc keeps it until it is told.");
        const int size = 64 * 1024;
        const int count = 2048;
        nint[] blocks = new nint[count];
        for (int i = 0; i < count; i++)
        {
            blocks[i] = (nint)NativeMemory.AllocZeroed(size);
            new Span<byte>((void*)blocks[i], size).Fill(1);
        }

        // The last one stays in use: behind it there is nothing that could be cut off, and glibc keeps all that lies before.
        foreach (nint block in blocks[..^1])
        {
            NativeMemory.Free((void*)block);
        }

        long kept = Environment.WorkingSet;
        QuietCollection.Collect();
        long left = Environment.WorkingSet;
        NativeMemory.Free((void*)blocks[^1]);
        Assert.True(kept - left > size * (count / 2), $"{kept:N0} bytes were resident, {left:N0} are.");
    }

    private void Pass(TimeSpan time)
    {
        for (TimeSpan end = _now + time; _now < end; _now += Moment)
        {
            _collection.Look(_now);
        }
    }
}
