using Duologue.Browser;

namespace Duologue.Tests.Browser;

/// <summary>Alone, since it measures the memory of the whole process.</summary>
[CollectionDefinition(nameof(LargeFileTests), DisableParallelization = true)]
[Collection(nameof(LargeFileTests))]
public sealed class LargeFileTests : IDisposable
{
    private const long Size = 256L * 1024 * 1024;

    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public async Task A_file_of_256_MiB_is_streamed_through_little_memory()
    {
        await using (FileStream file = File.Create(_path))
        {
            // Sparse: it takes no room on the disk.
            file.SetLength(Size);
        }

        var received = new TaskCompletionSource<(long Bytes, int Fragments)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var warmedUp = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        long peak = 0;
        await using RawServer server = RawServer.StartAccepting(async peer =>
        {
            byte[] buffer = new byte[64 * 1024];
            for (bool warm = false; !warm;)
            {
                (warm, _, _) = await peer.SkipFrameAsync(buffer);
            }

            warmedUp.SetResult();
            long bytes = 0;
            int fragments = 0;
            bool fin = false;
            while (!fin)
            {
                (fin, _, long length) = await peer.SkipFrameAsync(buffer);
                bytes += length;
                fragments++;
                if (fragments % 128 == 0)
                {
                    peak = Math.Max(peak, GC.GetTotalMemory(forceFullCollection: true));
                }
            }

            received.SetResult((bytes, fragments));
            await peer.ReadMessageAsync();
        });
        var socket = new WebSocket(server.Url);
        var log = new EventLog(socket);
        server.Go();
        await log.Opened;

        // What is made once in a process is none of this file's.
        socket.Send(Blob.FromFile(_path).Slice(0, 4 * 1024 * 1024));
        await warmedUp.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        Assert.True(SpinWait.SpinUntil(() => socket.BufferedAmount == 0, EventLog.Patience));
        long before = GC.GetTotalMemory(forceFullCollection: true);
        peak = before;
        long allocatedBefore = GC.GetTotalAllocatedBytes(precise: true);

        socket.Send(Blob.FromFile(_path));
        Assert.Equal((ulong)Size, socket.BufferedAmount);
        (long count, int fragmentCount) = await received.Task.WaitAsync(EventLog.Patience, TestContext.Current.CancellationToken);
        long allocated = GC.GetTotalAllocatedBytes(precise: true) - allocatedBefore;

        Assert.Equal(Size, count);
        Assert.InRange(fragmentCount, 1, 4096);
        TestContext.Current.TestOutputHelper?.WriteLine($"peak {(peak - before) / 1024} KiB live over the start, {allocated / 1024} KiB allocated, {fragmentCount} fragments");
        Assert.True(peak - before < 1024 * 1024, $"The live heap grew by {peak - before} bytes.");
        Assert.True(allocated < 32 * 1024 * 1024, $"{allocated} bytes were allocated.");
        socket.Close();
        await log.Closed;
        Assert.Equal(0UL, socket.BufferedAmount);
    }
}
