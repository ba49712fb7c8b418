using System.IO.Pipelines;
using System.Text;
using Duologue.Client.Sessions;

namespace Duologue.Tests.Client.Sessions;

public class PayloadReaderTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("6", "6")]
    [InlineData("4a\u001E4b", "4a|4b")]
    [InlineData("4\u001E", "4|")]
    [InlineData("\u001E\u001E", "||")]
    public async Task A_payload_is_cut_at_its_separators_however_it_arrives(string payload, string packets)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(payload);

        Assert.Equal(packets, await ReadAllAsync([bytes]));
        Assert.Equal(packets, await ReadAllAsync([.. bytes.Select(b => new[] { b })]));
    }

    [Fact]
    public async Task Characters_that_arrive_in_two_parts_are_put_together() =>
        Assert.Equal("4ä🍵", await ReadAllAsync([.. "4ä🍵"u8.ToArray().Select(b => new[] { b })]));

    [Theory]
    [InlineData("12345", false)]
    [InlineData("123456", true)]
    [InlineData("1\u001E123456\u001E2", true)]
    [InlineData("12345\u001E12345", false)]
    public async Task A_packet_over_the_limit_is_seen(string payload, bool expected)
    {
        var reader = new PayloadReader(new MemoryStream(Encoding.UTF8.GetBytes(payload)), 5);
        bool more = true;
        while (more && !reader.IsTooLong)
        {
            more = await reader.ReadAsync(TestContext.Current.CancellationToken);
        }

        Assert.Equal(expected, reader.IsTooLong);
        reader.Release();
    }

    private static async Task<string> ReadAllAsync(byte[][] chunks)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        var pipe = new Pipe();
        Task writing = Task.Run(
            async () =>
            {
                foreach (byte[] chunk in chunks)
                {
                    await pipe.Writer.WriteAsync(chunk, cancellation);
                }

                await pipe.Writer.CompleteAsync();
            },
            cancellation);
        var reader = new PayloadReader(pipe.Reader.AsStream(), 1000);
        var packets = new List<string>();
        bool more = true;
        while (more)
        {
            more = await reader.ReadAsync(cancellation);
            packets.Add(Encoding.UTF8.GetString(reader.Packet));
        }

        reader.Release();
        await writing;
        return string.Join('|', packets);
    }
}
