using System.Buffers.Binary;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Duologue.EventLoop.Native;

/// <summary>Turns endpoints into the kernel's socket addresses and back.</summary>
internal static unsafe class SocketAddresses
{
    /// <summary>sizeof(struct sockaddr_storage): any address fits.</summary>
    public const int MaxSize = 128;

    // sockaddr_un: two bytes of family, 108 of path.
    private const int MaxPath = 108;
    private const int Inet6Size = 28;
    private const int InetSize = 16;

    private static readonly EndPoint Nameless = new UnixDomainSocketEndPoint("/").Create(new SocketAddress(AddressFamily.Unix, sizeof(ushort)));

    /// <summary>The address family of an endpoint.</summary>
    public static int FamilyOf(EndPoint endpoint) => endpoint switch
    {
        UnixDomainSocketEndPoint => Constants.AddressFamilyUnix,
        IPEndPoint { AddressFamily: AddressFamily.InterNetworkV6 } => Constants.AddressFamilyInet6,
        _ => Constants.AddressFamilyInet,
    };

    /// <summary>Writes an endpoint as a sockaddr.</summary>
    /// <returns>Its length.</returns>
    /// <exception cref="ArgumentException">The path of a Unix socket is too long.</exception>
    public static int Write(EndPoint endpoint, Span<byte> address)
    {
        Debug.Assert(address.Length >= MaxSize, "Any address must fit.");
        address.Clear();
        MemoryMarshal.Write(address, (ushort)FamilyOf(endpoint));
        if (endpoint is IPEndPoint ip)
        {
            BinaryPrimitives.WriteUInt16BigEndian(address[2..], (ushort)ip.Port);
            if (ip.AddressFamily == AddressFamily.InterNetworkV6)
            {
                ip.Address.TryWriteBytes(address[8..], out _);
                MemoryMarshal.Write(address[24..], (uint)ip.Address.ScopeId);
                return Inet6Size;
            }

            ip.Address.TryWriteBytes(address[4..], out _);
            return InetSize;
        }

        string path = PathOf((UnixDomainSocketEndPoint)endpoint);
        int length = Encoding.UTF8.GetByteCount(path);
        if (length >= MaxPath)
        {
            throw new ArgumentException($"The Unix socket's path has {length} bytes; at most {MaxPath - 1} are possible: {path}", nameof(endpoint));
        }

        Encoding.UTF8.GetBytes(path, address[2..]);

        // An abstract name begins with a zero byte, which .NET writes as '@' or '\0', and is as long as it says.
        if (path[0] is '@' or '\0')
        {
            address[2] = 0;
            return 2 + length;
        }

        return 2 + length + 1;
    }

    /// <summary>The path of a Unix endpoint; abstract ones begin with '@'.</summary>
    public static string PathOf(UnixDomainSocketEndPoint endpoint) => endpoint.ToString();

    /// <summary>Reads a sockaddr.</summary>
    public static EndPoint? Read(ReadOnlySpan<byte> address)
    {
        if (address.Length < 2)
        {
            return null;
        }

        switch (MemoryMarshal.Read<ushort>(address))
        {
            case Constants.AddressFamilyInet when address.Length >= InetSize:
                return new IPEndPoint(new IPAddress(address.Slice(4, 4)), BinaryPrimitives.ReadUInt16BigEndian(address[2..]));
            case Constants.AddressFamilyInet6 when address.Length >= Inet6Size:
                return new IPEndPoint(new IPAddress(address.Slice(8, 16), MemoryMarshal.Read<uint>(address[24..])), BinaryPrimitives.ReadUInt16BigEndian(address[2..]));
            case Constants.AddressFamilyUnix:
                // A client's socket has no name as a rule; the platform's sockets show that as an endpoint without a path.
                return Nameless;
            default:
                return null;
        }
    }

    /// <summary>The address that a socket is bound to.</summary>
    public static EndPoint? GetLocal(int descriptor)
    {
        byte* address = stackalloc byte[MaxSize];
        uint length = MaxSize;
        return Libc.GetSocketName(descriptor, address, &length) == 0 ? Read(Filled(address, length)) : null;
    }

    /// <summary>The address of the other side; null if it is gone already.</summary>
    public static EndPoint? GetRemote(int descriptor)
    {
        byte* address = stackalloc byte[MaxSize];
        uint length = MaxSize;
        return Libc.GetPeerName(descriptor, address, &length) == 0 ? Read(Filled(address, length)) : null;
    }

    // In bounds: the kernel reports the length that the address would have, and writes no more than it was given room for.
    public static ReadOnlySpan<byte> Filled(byte* address, uint length) => new(address, (int)Math.Min(length, MaxSize));
}
