using System.IO.Pipelines;
using System.Text;
using Duologue.Client;

namespace Duologue.Tests.Client.Topics;

public class PageReaderTests
{
    private const string End = "\"}],\"next\":\"a-7\",\"reset\":true,\"lost\":5}";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Up_to_the_limit_all_is_read_and_one_byte_more_is_too_large()
    {
        byte[] page = PageOf(100_000);

        FeedMessage read = await PageReader.ReadAsync(new MemoryStream(page), page.Length, "news", heard: null, Token, Token);
        Assert.Equal((100_000, null), (Assert.Single(read.Items).Data.Length, read.TooLarge));

        FeedMessage large = await PageReader.ReadAsync(new MemoryStream(page), page.Length - 1, "news", heard: null, Token, Token);
        Assert.Equal((new LargeMessage("a-7", true), "a-7", true, 5), (large.TooLarge, large.Next, large.IsReset, large.Lost));
        Assert.Empty(large.Items);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(20)]
    [InlineData(1_023)]
    [InlineData(1_025)]
    [InlineData(100_000)]
    public async Task The_end_is_found_in_whatever_pieces_it_comes(int size)
    {
        byte[] page = PageOf(30_000);
        var pipe = new Pipe();
        Task writing = WriteAsync(pipe.Writer, page, size);

        FeedMessage large = await PageReader.ReadAsync(pipe.Reader.AsStream(), 10_000, "news", heard: null, Token, Token);

        await writing;
        Assert.Equal((new LargeMessage("a-7", true), "a-7", 5), (large.TooLarge, large.Next, large.Lost));
    }

    [Fact]
    public async Task An_end_that_does_not_come_in_time_is_not_waited_for()
    {
        var stream = new StallingStream(PageOf(30_000)[..20_000]);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task<FeedMessage> reading = PageReader.ReadAsync(stream, 10_000, "news", heard: null, patience.Token, Token).AsTask();
        await stream.Stalled.WaitAsync(TimeSpan.FromSeconds(30), Token);

        await patience.CancelAsync();

        FeedMessage large = await reading;
        Assert.Equal((new LargeMessage("a-7", false), "a-7"), (large.TooLarge, large.Next));
    }

    [Fact]
    public async Task Who_is_stopped_while_the_end_comes_gives_nothing_up()
    {
        var stream = new StallingStream(PageOf(30_000)[..20_000]);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        Task<FeedMessage> reading = PageReader.ReadAsync(stream, 10_000, "news", heard: null, stop.Token, stop.Token).AsTask();
        await stream.Stalled.WaitAsync(TimeSpan.FromSeconds(30), Token);

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);
    }

    private static byte[] PageOf(int size) => Encoding.UTF8.GetBytes($$"""{"items":[{"id":"a-7","time":1,"data":"{{new string('x', size)}}{{End}}""");

    private static async Task WriteAsync(PipeWriter writer, byte[] bytes, int size)
    {
        for (int i = 0; i < bytes.Length; i += size)
        {
            await writer.WriteAsync(bytes.AsMemory(i, Math.Min(size, bytes.Length - i)), Token);
        }

        await writer.CompleteAsync();
    }

    /// <summary>Gives what it has, and then nothing, without an end.</summary>
    private sealed class StallingStream(byte[] bytes) : MemoryStream(bytes)
    {
        private readonly TaskCompletionSource _stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Stalled => _stalled.Task;

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int count = await base.ReadAsync(buffer, cancellationToken);
            if (count == 0)
            {
                _stalled.TrySetResult();
                await Task.Delay(Timeout.Infinite, cancellationToken);
            }

            return count;
        }
    }
}
