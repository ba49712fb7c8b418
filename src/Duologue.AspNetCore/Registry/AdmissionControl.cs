using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Duologue.AspNetCore;

/// <summary>Whom a connection counts for: an IPv4 address, or the /64 network of an IPv6 address, which one host owns whole. By default nobody.</summary>
internal readonly record struct AddressKey(ulong Value, AddressFamily Family)
{
    public static AddressKey From(IPAddress address)
    {
        if (address.IsIPv4MappedToIPv6)
        {
            address = address.MapToIPv4();
        }

        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        address.TryWriteBytes(bytes, out _);
        return new(MemoryMarshal.Read<ulong>(bytes), address.AddressFamily);
    }
}

/// <summary>Counts connections against the limits, in total and per address. Thread-safe.</summary>
internal sealed class AdmissionControl(int maxConnections, int maxConnectionsPerAddress)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<AddressKey, int> _perAddress = [];
    private int _total;

    /// <summary>How many places are taken.</summary>
    public int Total => Volatile.Read(ref _total);

    /// <summary>How many addresses have places; 0 where there is no limit per address.</summary>
    public int Addresses
    {
        get
        {
            lock (_lock)
            {
                return _perAddress.Count;
            }
        }
    }

    /// <summary>Gives the place back of whoever came from an address: it may be kept by nobody but the connection.</summary>
    public void Leave(IPAddress? address) => Leave(maxConnectionsPerAddress > 0 && address is not null ? AddressKey.From(address) : default);

    /// <summary>Takes a place, or says which limit is reached. A place taken must be given back once.</summary>
    /// <param name="address">The peer's address; null on a Unix socket, where no address is counted.</param>
    /// <param name="key">What <see cref="Leave(AddressKey)"/> takes.</param>
    public RefusalReason? TryEnter(IPAddress? address, out AddressKey key)
    {
        key = default;
        if (Interlocked.Increment(ref _total) > maxConnections && maxConnections > 0)
        {
            Interlocked.Decrement(ref _total);
            return RefusalReason.ConnectionLimit;
        }

        if (maxConnectionsPerAddress > 0 && address is not null)
        {
            key = AddressKey.From(address);
            lock (_lock)
            {
                ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(_perAddress, key, out _);
                if (count >= maxConnectionsPerAddress)
                {
                    Interlocked.Decrement(ref _total);
                    return RefusalReason.AddressLimit;
                }

                count++;
            }
        }

        return null;
    }

    public void Leave(AddressKey key)
    {
        Interlocked.Decrement(ref _total);
        if (key == default)
        {
            return;
        }

        lock (_lock)
        {
            ref int count = ref CollectionsMarshal.GetValueRefOrNullRef(_perAddress, key);
            if (--count == 0)
            {
                _perAddress.Remove(key);
            }
        }
    }
}
