using System.Net;
using System.Net.Sockets;
using Duologue.EventLoop.Native;

namespace Duologue.EventLoop.Tests.Native;

public class SocketAddressesTests
{
    public static TheoryData<string> Endpoints => ["127.0.0.1:80", "0.0.0.0:0", "[::1]:65535", "[fe80::1%7]:443", "[::ffff:10.1.2.3]:8080"];

    [Theory]
    [MemberData(nameof(Endpoints))]
    public void What_is_written_is_what_the_platform_writes(string endpoint)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        IPEndPoint written = IPEndPoint.Parse(endpoint);
        byte[] address = new byte[SocketAddresses.MaxSize];
        int length = SocketAddresses.Write(written, address);
        SocketAddress platform = written.Serialize();
        Assert.Equal(platform.Buffer.Span[..platform.Size].ToArray(), address[..length]);
        Assert.Equal(written, SocketAddresses.Read(address.AsSpan(0, length)));
    }

    [Theory]
    [InlineData("/run/service.sock", 2 + 17 + 1)]
    [InlineData("\0service", 2 + 8)]
    public void A_path_ends_with_a_zero_byte_and_an_abstract_name_begins_with_one(string path, int size)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        byte[] address = new byte[SocketAddresses.MaxSize];
        Assert.Equal(size, SocketAddresses.Write(new UnixDomainSocketEndPoint(path), address));
        Assert.Equal((byte)path[0], address[2]);
        Assert.Equal((byte)path[1], address[3]);
        Assert.Equal(0, address[size]);
    }

    [Fact]
    public void What_is_cut_short_or_of_another_family_is_no_endpoint()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The event loop runs on Linux.");
        Assert.Null(SocketAddresses.Read([]));
        Assert.Null(SocketAddresses.Read([2, 0, 0, 80, 127, 0, 0]));
        Assert.Null(SocketAddresses.Read([10, 0, 0, 80]));
        Assert.Null(SocketAddresses.Read([99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    }
}
