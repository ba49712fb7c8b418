using Duologue.EventLoop.Loops;
using Microsoft.Extensions.Logging;

namespace Duologue.EventLoop.Tests.Support;

/// <summary>A loop without a kernel.</summary>
internal abstract class ImaginaryLoop(ILogger logger) : Loop(0, logger)
{
    public override void StartReceiving(LoopSocket socket)
    {
    }

    public override void StopReceiving(LoopSocket socket)
    {
    }

    public override void Send(LoopSocket socket)
    {
    }

    public override void Close(LoopSocket socket, bool reset)
    {
    }

    protected override void StartAccepting(LoopListener listener)
    {
    }

    protected override void StopAccepting(LoopListener listener) => listener.OnStopped();

    protected override void Rest(LoopListener listener) => listener.IsArmed = false;

    protected override void Wait(int timeout) => throw new NotSupportedException();

    protected override void Wake()
    {
    }

    protected override void Release()
    {
    }
}
