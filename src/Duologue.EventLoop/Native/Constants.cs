namespace Duologue.EventLoop.Native;

/// <summary>Linux's numbers, the same on x64 and arm64.</summary>
internal static class Constants
{
    public const int AddressFamilyUnix = 1;
    public const int AddressFamilyInet = 2;
    public const int AddressFamilyInet6 = 10;

    public const int SocketStream = 1;
    public const int SocketNonBlocking = 0x800;
    public const int SocketCloseOnExec = 0x80000;

    public const int LevelSocket = 1;
    public const int LevelTcp = 6;
    public const int LevelIpv6 = 41;

    public const int OptionReuseAddress = 2;
    public const int OptionLinger = 13;
    public const int OptionReusePort = 15;
    public const int OptionTcpNoDelay = 1;
    public const int OptionIpv6Only = 26;

    public const int ShutdownWrite = 1;
    public const int ShutdownBoth = 2;

    public const int MessageDoNotWait = 0x40;
    public const int MessageNoSignal = 0x4000;
    public const int MessageWaitAll = 0x100;

    public const uint PollIn = 1;
    public const uint PollError = 8;
    public const uint PollHangUp = 16;
    public const uint PollReadHangUp = 0x2000;

    public const int EpollAdd = 1;
    public const int EpollDelete = 2;
    public const int EpollModify = 3;
    public const uint EpollIn = 1;
    public const uint EpollOut = 4;
    public const uint EpollError = 8;
    public const uint EpollHangup = 16;

    public const int EventDescriptorNonBlocking = 0x800;
    public const int EventDescriptorCloseOnExec = 0x80000;
    public const int EpollCloseOnExec = 0x80000;

    public const int ProtectionReadWrite = 3;
    public const int MapShared = 0x01;
    public const int MapPopulate = 0x8000;

    /// <summary>What a vectored send takes at most here: enough for a large message in its blocks, small enough for the stack.</summary>
    public const int MaxVectors = 16;
}

/// <summary>errno values that the loops tell apart.</summary>
internal static class Errno
{
    public const int NotPermitted = 1;
    public const int Interrupted = 4;
    public const int TryAgain = 11;
    public const int OutOfMemory = 12;
    public const int AccessDenied = 13;
    public const int Busy = 16;
    public const int Invalid = 22;
    public const int SystemDescriptorsExhausted = 23;
    public const int DescriptorsExhausted = 24;
    public const int BrokenPipe = 32;
    public const int NotImplemented = 38;
    public const int TimerExpired = 62;
    public const int NoNetwork = 64;
    public const int ProtocolError = 71;
    public const int NoProtocolOption = 92;
    public const int NotSupported = 95;
    public const int AddressInUse = 98;
    public const int AddressNotAvailable = 99;
    public const int NetworkDown = 100;
    public const int NetworkUnreachable = 101;
    public const int ConnectionAborted = 103;
    public const int ConnectionReset = 104;
    public const int NoBuffers = 105;
    public const int TimedOut = 110;
    public const int HostDown = 112;
    public const int HostUnreachable = 113;
    public const int Cancelled = 125;

    /// <summary>Whether accepting failed for want of descriptors or memory: a condition that passes, and meanwhile would come back at once.</summary>
    public static bool IsExhaustion(int error) => error is SystemDescriptorsExhausted or DescriptorsExhausted or NoBuffers or OutOfMemory;

    /// <summary>Whether it is descriptors that were wanting.</summary>
    public static bool IsOfDescriptors(int error) => error is SystemDescriptorsExhausted or DescriptorsExhausted;

    /// <summary>Whether accepting reports what happened to one connection on its way in (accept(2), "Error handling"): the next one may be well.</summary>
    public static bool IsOfOneConnection(int error) => error is Interrupted or TryAgain or ConnectionAborted or TimedOut
        or ProtocolError or NetworkDown or NoProtocolOption or HostDown or NoNetwork or HostUnreachable or NotSupported or NetworkUnreachable;

    /// <summary>Whether the peer, or the way to it, is gone: nothing unusual.</summary>
    public static bool IsGone(int error) => error is BrokenPipe or ConnectionReset or ConnectionAborted or TimedOut;
}
