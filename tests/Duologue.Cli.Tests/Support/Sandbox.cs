using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Duologue.Cli.Tests.Support;

/// <summary>Starts processes behind a seccomp filter, as a container's runtime does: forbidden system calls answer EPERM.</summary>
internal static unsafe partial class Sandbox
{
    private const int SetSeccomp = 22;
    private const int SetNoNewPrivileges = 38;
    private const nuint FilterMode = 2;

    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort Return = 0x06;
    private const uint Allow = 0x7FFF0000;
    private const uint NotPermitted = 0x00050001;

    /// <summary>Starts a process without these system calls, by their numbers.</summary>
    public static Process Start(ProcessStartInfo start, int[] forbidden)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux has seccomp.");

        // What the runtime makes at the first start of a process is not to be made by the thread below.
        using (Process first = Process.Start("true"))
        {
            first.WaitForExit();
        }

        // A filter holds for the thread that installs it and for whatever that starts, and cannot be taken off again.
        var started = new TaskCompletionSource<Process?>();
        var thread = new Thread(() =>
        {
            try
            {
                started.SetResult(TryForbid(forbidden) ? Process.Start(start) : null);
            }
            catch (Exception e)
            {
                started.SetException(e);
            }
        });
        thread.Start();
        thread.Join();
        Process? process = started.Task.GetAwaiter().GetResult();
        Assert.SkipWhen(process is null, "No seccomp filter can be installed here.");
        return process!;
    }

    private static bool TryForbid(int[] calls)
    {
        // struct seccomp_data begins with the call's number.
        List<Instruction> program = [new(LoadWord, 0, 0, 0)];
        for (int i = 0; i < calls.Length; i++)
        {
            program.Add(new(JumpIfEqual, (byte)(calls.Length - i), 0, (uint)calls[i]));
        }

        program.Add(new(Return, 0, 0, Allow));
        program.Add(new(Return, 0, 0, NotPermitted));
        Span<Instruction> instructions = CollectionsMarshal.AsSpan(program);
        fixed (Instruction* first = instructions)
        {
            var filter = new Filter { Length = (ushort)instructions.Length, Program = first };
            return Control(SetNoNewPrivileges, 1, 0, 0, 0) == 0 && Control(SetSeccomp, FilterMode, (nuint)(&filter), 0, 0) == 0;
        }
    }

    [LibraryImport("libc", EntryPoint = "prctl")]
    private static partial int Control(int option, nuint second, nuint third, nuint fourth, nuint fifth);

    /// <summary>struct sock_filter.</summary>
    private readonly record struct Instruction(ushort Code, byte IfTrue, byte IfFalse, uint Value);

    /// <summary>struct sock_fprog.</summary>
    private struct Filter
    {
        public ushort Length;
        public Instruction* Program;
    }
}
