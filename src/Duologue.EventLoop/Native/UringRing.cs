using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace Duologue.EventLoop.Native;

/// <summary>
/// The two rings that a thread shares with the kernel, mapped, and the calls on them. Made on any thread, used by the one that calls
/// <see cref="Enable"/>: the kernel defers its work to that thread's own calls, so that nothing interrupts it.
/// </summary>
internal sealed unsafe class UringRing
{
    /// <summary>How many requests wait to be submitted at most, as a rule.</summary>
    public const uint UsualEntries = 4096;

    private const uint CompletionEntries = 16384;

    private const long SetupCall = 425;
    private const long EnterCall = 426;
    private const long RegisterCall = 427;

    private const uint SetupCompletionSize = 1 << 3;
    private const uint SetupClamp = 1 << 4;
    private const uint SetupDisabled = 1 << 6;
    private const uint SetupSubmitAll = 1 << 7;
    private const uint SetupCooperativeTaskRun = 1 << 8;
    private const uint SetupSingleIssuer = 1 << 12;
    private const uint SetupDeferTaskRun = 1 << 13;

    // One mapping for both rings, no completion dropped, requests read when submitted, waits with a timeout.
    private const uint NeededFeatures = (1 << 0) | (1 << 1) | (1 << 2) | (1 << 8);
    private const uint FeatureMinimumTimeout = 1 << 15;

    private const uint EnterGetEvents = 1;
    private const uint EnterExtendedArgument = 8;
    private const uint EnterRegisteredRing = 16;

    private const long RegisterProbe = 8;
    private const long RegisterEnableRings = 12;
    private const long RegisterRingDescriptors = 20;
    private const long UnregisterRingDescriptors = 21;
    private const long RegisterBufferRing = 22;

    private const long RequestsOffset = 0x10000000;

    private readonly int _descriptor;
    private readonly byte* _rings;
    private readonly nuint _ringsSize;
    private readonly UringRequest* _requests;
    private readonly uint* _submissionHead;
    private readonly uint* _submissionTail;
    private readonly uint _submissionMask;
    private readonly uint _submissionEntries;
    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly uint _completionMask;
    private readonly UringCompletion* _completions;
    private int _enterDescriptor;
    private uint _enterFlags = EnterGetEvents | EnterExtendedArgument;
    private uint _tail;
    private bool _isEnabled;

    private UringRing(int descriptor, in UringParameters parameters, byte* rings, nuint ringsSize, UringRequest* requests)
    {
        _descriptor = descriptor;
        _enterDescriptor = descriptor;
        _rings = rings;
        _ringsSize = ringsSize;
        _requests = requests;

        // In bounds: the kernel tells the offsets into the mapping whose size was computed from the last of them.
        Debug.Assert(Math.Max(Math.Max(parameters.Submission.Head, parameters.Submission.Tail), parameters.Submission.Mask) + sizeof(uint) <= ringsSize, "The submission ring lies within the mapping.");
        Debug.Assert(Math.Max(Math.Max(parameters.Completion.Head, parameters.Completion.Tail), parameters.Completion.Mask) + sizeof(uint) <= ringsSize, "The completion ring lies within the mapping.");
        _submissionHead = (uint*)(rings + parameters.Submission.Head);
        _submissionTail = (uint*)(rings + parameters.Submission.Tail);
        _submissionMask = *(uint*)(rings + parameters.Submission.Mask);
        _submissionEntries = parameters.SubmissionEntries;
        _completionHead = (uint*)(rings + parameters.Completion.Head);
        _completionTail = (uint*)(rings + parameters.Completion.Tail);
        _completionMask = *(uint*)(rings + parameters.Completion.Mask);
        Debug.Assert(_submissionMask < parameters.SubmissionEntries && _completionMask < parameters.CompletionEntries, "The masks keep indices within the mapping.");
        _completions = (UringCompletion*)(rings + parameters.Completion.Sixth);
        HasMinimumWait = (parameters.Features & FeatureMinimumTimeout) != 0;
        uint* array = (uint*)(rings + parameters.Submission.Seventh);
        for (uint i = 0; i < _submissionEntries; i++)
        {
            array[i] = i;
        }

        _tail = *_submissionTail;
    }

    /// <summary>Whether a wait for many can be content with few after a time.</summary>
    public bool HasMinimumWait { get; }

    /// <summary>Whether requests wait to be submitted.</summary>
    public bool HasRequests => _tail != Volatile.Read(ref *_submissionHead);

    /// <summary>How many completions there are to take.</summary>
    public uint Completed => Volatile.Read(ref *_completionTail) - *_completionHead;

    /// <summary>Requests that were not answered for good yet: the kernel may still touch what they point to.</summary>
    public uint Unanswered { get; private set; }

    /// <summary>Sets the rings up; null with the reason where that cannot be.</summary>
    /// <param name="entries">How many requests may wait to be submitted; a power of two.</param>
    /// <param name="obstacle">The reason.</param>
    public static UringRing? TryCreate(uint entries, out string? obstacle)
    {
        UringParameters parameters = default;
        parameters.Flags = SetupCompletionSize | SetupClamp | SetupDisabled | SetupSubmitAll | SetupCooperativeTaskRun | SetupSingleIssuer | SetupDeferTaskRun;
        parameters.CompletionEntries = CompletionEntries;
        int descriptor = (int)Libc.SystemCall(SetupCall, entries, (long)&parameters, 0, 0, 0, 0);
        if (descriptor < 0)
        {
            obstacle = Libc.LastError switch
            {
                Errno.NotImplemented => "the kernel has no io_uring (ENOSYS).",
                Errno.NotPermitted or Errno.AccessDenied => "io_uring is forbidden (EPERM), by the sandbox (seccomp) or by kernel.io_uring_disabled.",
                Errno.Invalid => "the kernel is older than 6.1 (EINVAL for SINGLE_ISSUER and DEFER_TASKRUN).",
                int error => $"io_uring_setup failed with errno {error}.",
            };
            return null;
        }

        UringRing? ring = null;
        obstacle = (parameters.Features & NeededFeatures) != NeededFeatures
            ? $"the kernel's io_uring lacks features: it has 0x{parameters.Features:X}, needed are 0x{NeededFeatures:X}."
            : FindMissingOperation(descriptor) ?? Map(descriptor, parameters, out ring);
        if (ring is null)
        {
            _ = Libc.Close(descriptor);
        }

        return ring;
    }

    /// <summary>Binds the rings to the calling thread. Once, before any other use.</summary>
    public void Enable()
    {
        if (Libc.SystemCall(RegisterCall, _descriptor, RegisterEnableRings, 0, 0, 0, 0) < 0)
        {
            throw Sockets.ToException(Libc.LastError);
        }

        _isEnabled = true;

        // A registered descriptor saves the kernel its look-up. struct io_uring_rsrc_update: { offset, reserved, data }; it may fail, then the plain one serves.
        ulong* update = stackalloc ulong[2];
        update[0] = uint.MaxValue;
        update[1] = (ulong)_descriptor;
        if (Libc.SystemCall(RegisterCall, _descriptor, RegisterRingDescriptors, (long)update, 1, 0, 0) == 1)
        {
            _enterDescriptor = (int)(uint)update[0];
            _enterFlags |= EnterRegisteredRing;
        }
    }

    /// <summary>Whether a request comes back, on the calling thread: a sandbox may allow the set-up and forbid its use.</summary>
    public string? FindObstacle()
    {
        try
        {
            Enable();
            Next()->Operation = UringOperation.Nothing;
            Enter(1, 0, 1000);
            return TryTake(out _) ? null : "it does not answer.";
        }
        catch (System.Net.Sockets.SocketException e)
        {
            // A request for nothing names no memory: it may stay where it is.
            Unanswered = 0;
            return $"it can be set up, but not used: {e.Message}";
        }
    }

    /// <summary>Shares a ring of buffers that receives take from.</summary>
    public bool TryRegisterBuffers(UringBuffer* ring, uint entries, ushort flags)
    {
        UringBufferRegistration registration = default;
        registration.Address = (ulong)ring;
        registration.Entries = entries;
        registration.Flags = flags;
        return Libc.SystemCall(RegisterCall, _descriptor, RegisterBufferRing, (long)&registration, 1, 0, 0) >= 0;
    }

    /// <summary>The next request, cleared; it is submitted by the next <see cref="Enter"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public UringRequest* Next()
    {
        while (_tail - Volatile.Read(ref *_submissionHead) >= _submissionEntries)
        {
            Enter(0, 0, 0);
        }

        UringRequest* request = _requests + (_tail & _submissionMask);
        Debug.Assert(request < _requests + _submissionEntries, "The mask keeps the index within the mapping.");
        _tail++;
        Unanswered++;
        Unsafe.InitBlockUnaligned(request, 0, (uint)sizeof(UringRequest));
        return request;
    }

    /// <summary>Submits all requests and waits.</summary>
    /// <param name="count">For so many completions; 0 does not wait.</param>
    /// <param name="patience">After so many microseconds one is enough; only with <see cref="HasMinimumWait"/>.</param>
    /// <param name="timeout">In milliseconds; -1 for ever.</param>
    public void Enter(uint count, uint patience, int timeout)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        uint pending = _tail - Volatile.Read(ref *_submissionHead);
        KernelTime time;
        UringWait wait = default;
        wait.MinimumMicroseconds = patience;
        if (timeout > 0)
        {
            time.Seconds = timeout / 1000;
            time.Nanoseconds = timeout % 1000 * 1_000_000L;
            wait.Timeout = (ulong)&time;
        }

        long result = Libc.SystemCall(EnterCall, _enterDescriptor, pending, count, _enterFlags, (long)&wait, sizeof(UringWait));
        if (result < 0)
        {
            int error = Libc.LastError;

            // A signal, a timeout, or a kernel short of memory or with too many completions to take: the next call goes on.
            if (error is not (Errno.Interrupted or Errno.TimerExpired or Errno.TryAgain or Errno.Busy))
            {
                throw Sockets.ToException(error);
            }
        }
    }

    /// <summary>Takes the next completion, if there is one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryTake(out UringCompletion completion)
    {
        uint head = *_completionHead;
        if (head == Volatile.Read(ref *_completionTail))
        {
            completion = default;
            return false;
        }

        // In bounds: the kernel's mask, see the constructor.
        completion = _completions[head & _completionMask];
        Volatile.Write(ref *_completionHead, head + 1);
        if (completion.IsLast)
        {
            Unanswered--;
        }

        return true;
    }

    /// <summary>Ends the rings. On the thread that enabled them, when nothing is <see cref="Unanswered"/>: closing only asks the kernel to cancel what is, and does not wait for it.</summary>
    public void Close()
    {
        Debug.Assert(Unanswered == 0 || !_isEnabled, "The kernel has let go of all memory that requests name.");
        if ((_enterFlags & EnterRegisteredRing) != 0)
        {
            // The registration is the thread's and would keep the rings alive for as long as that.
            ulong* update = stackalloc ulong[2];
            update[0] = (uint)_enterDescriptor;
            update[1] = 0;
            _ = Libc.SystemCall(RegisterCall, _descriptor, UnregisterRingDescriptors, (long)update, 1, 0, 0);
            _enterFlags &= ~EnterRegisteredRing;
        }

        _ = Libc.Unmap(_requests, _submissionEntries * (nuint)sizeof(UringRequest));
        _ = Libc.Unmap(_rings, _ringsSize);
        _ = Libc.Close(_descriptor);
    }

    private static string? Map(int descriptor, in UringParameters parameters, out UringRing? ring)
    {
        ring = null;
        nuint size = Math.Max(
            parameters.Submission.Seventh + (parameters.SubmissionEntries * sizeof(uint)),
            parameters.Completion.Sixth + (parameters.CompletionEntries * (uint)sizeof(UringCompletion)));
        void* rings = Libc.Map(null, size, Constants.ProtectionReadWrite, Constants.MapShared | Constants.MapPopulate, descriptor, 0);
        if ((nint)rings == -1)
        {
            return $"mapping the rings failed with errno {Libc.LastError}.";
        }

        void* requests = Libc.Map(null, parameters.SubmissionEntries * (nuint)sizeof(UringRequest), Constants.ProtectionReadWrite, Constants.MapShared | Constants.MapPopulate, descriptor, RequestsOffset);
        if ((nint)requests == -1)
        {
            int error = Libc.LastError;
            _ = Libc.Unmap(rings, size);
            return $"mapping the requests failed with errno {error}.";
        }

        ring = new UringRing(descriptor, parameters, (byte*)rings, size, (UringRequest*)requests);
        return null;
    }

    private static string? FindMissingOperation(int descriptor)
    {
        // struct io_uring_probe: { last_op u8, ops_len u8, reserved u16, u32[3] }, then per operation { op u8, reserved u8, flags u16, u32 }.
        const int head = 16;
        const int entry = 8;
        const int count = 64;
        byte* probe = stackalloc byte[head + (count * entry)];
        Unsafe.InitBlockUnaligned(probe, 0, head + (count * entry));
        if (Libc.SystemCall(RegisterCall, descriptor, RegisterProbe, (long)probe, count, 0, 0) < 0)
        {
            return $"io_uring's operations cannot be listed: errno {Libc.LastError}.";
        }

        foreach (UringOperation operation in Enum.GetValues<UringOperation>())
        {
            // In bounds: all operations are below count, which the buffer has room for.
            Debug.Assert((int)operation < count, "The probe has room for the operation.");
            bool supported = (Unsafe.ReadUnaligned<ushort>(probe + head + ((int)operation * entry) + 2) & 1) != 0;
            if (!supported)
            {
                return $"io_uring has no operation {operation}.";
            }
        }

        return null;
    }
}
