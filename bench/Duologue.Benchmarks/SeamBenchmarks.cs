using System.Buffers;
using BenchmarkDotNet.Attributes;
using Duologue.Protocol;

namespace Duologue.Benchmarks;

/// <summary>
/// The whole way of a message through a server's peer without a socket: bytes in, protocol, handler, echo, bytes out. Shows
/// what the two handler shapes cost, a message alone in its batch and sixteen in one.
/// </summary>
[MemoryDiagnoser]
public class SeamBenchmarks
{
    private const int Messages = 16;

    private readonly NullCarrier _carrier = new(512 * 1024);
    private WebSocketConnection _connection = null!;
    private byte[] _one = [];
    private byte[] _batch = [];

    [Params(20, 16 * 1024)]
    public int Size { get; set; }

    [Params("handler class", "async delegate")]
    public string Shape { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        ArrayBufferWriter<byte> wire = new();
        FrameWriter.Write(wire, Opcode.Binary, true, new byte[Size], Role.Client);
        _one = wire.WrittenSpan.ToArray();
        _batch = [.. Enumerable.Repeat(_one, Messages).SelectMany(frame => frame)];
        bool isClass = Shape == "handler class";
        _connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = Role.Server,
            Options = new ConnectionOptions { KeepAliveInterval = Timeout.InfiniteTimeSpan },
            Handler = isClass ? new Echo() : null,
        });
        _connection.Start(_carrier);
        if (!isClass)
        {
            _ = ConverseAsync(_connection);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _connection.Abort();

    [Benchmark(Baseline = true)]
    public void One()
    {
        _connection.OnReceived(_one);
        _connection.OnBatchEnd();
    }

    [Benchmark(OperationsPerInvoke = Messages)]
    public void InBatchOf16()
    {
        _connection.OnReceived(_batch);
        _connection.OnBatchEnd();
    }

    private static async Task ConverseAsync(Connection connection)
    {
        await foreach (Message message in connection.ReadAllAsync())
        {
            await connection.SendAsync(message.Data, message.Type);
        }
    }

    private sealed class Echo : IMessageHandler
    {
        public ValueTask OnOpenAsync(Connection connection) => default;

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            connection.Send(message.Data.Span, message.Type);
            return default;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info) => default;
    }
}
