using System.Buffers;
using BenchmarkDotNet.Attributes;
using Duologue.Protocol;

namespace Duologue.Benchmarks;

/// <summary>A server's reading of masked frames, and both roles' writing of one.</summary>
[MemoryDiagnoser]
public class FrameBenchmarks
{
    private const int Frames = 16; // one batch, as a busy client sends

    private readonly ArrayBufferWriter<byte> _output = new(128 * 1024);
    private byte[] _payload = [];
    private byte[] _wire = [];
    private FrameReader _reader;
    private Sink _sink;

    [Params(20, 1024, 16 * 1024)]
    public int Size { get; set; }

    [Params(MessageType.Text, MessageType.Binary)]
    public MessageType Type { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _payload = new byte[Size];
        _payload.AsSpan().Fill((byte)'a');
        ArrayBufferWriter<byte> wire = new();
        for (int i = 0; i < Frames; i++)
        {
            FrameWriter.Write(wire, Type.ToOpcode(), true, _payload, Role.Client);
        }

        _wire = wire.WrittenSpan.ToArray();
        _reader = new FrameReader(Role.Server, 4096);
    }

    [GlobalCleanup]
    public void Cleanup() => _reader.Body.Release();

    [Benchmark(OperationsPerInvoke = Frames)]
    public int ReadBatch() => _reader.Receive(_wire, ref _sink);

    [Benchmark(OperationsPerInvoke = Frames)]
    public int ReadBatchInPipeBlocks()
    {
        int taken = 0;
        while (taken < _wire.Length)
        {
            taken += _reader.Receive(_wire.AsSpan(taken, Math.Min(4096, _wire.Length - taken)), ref _sink);
        }

        return taken;
    }

    [Benchmark]
    public int WriteAsServer() => Write(Role.Server);

    [Benchmark]
    public int WriteAsClient() => Write(Role.Client);

    private int Write(Role role)
    {
        _output.ResetWrittenCount();
        FrameWriter.Write(_output, Type.ToOpcode(), true, _payload, role);
        return _output.WrittenCount;
    }

    /// <summary>Takes everything and does nothing with it.</summary>
    private struct Sink : IFrameHandler
    {
        public int Messages { get; private set; }

        public readonly long MessageLimit => 1024 * 1024;

        public readonly bool LimitsFragments => true;

        public readonly bool Discards => false;

        public readonly long Allowance(int buffered) => long.MaxValue;

        public readonly ProtocolViolation? OnSmallFragment() => null;

        public readonly ProtocolViolation? OnMessageStart(MessageType type) => null;

        public void OnMessage(MessageType type, ref MessageBuffer body) => Messages++;

        public readonly ProtocolViolation? OnControl(Opcode opcode, ReadOnlySpan<byte> payload) => null;

        public readonly void OnClose(ushort code, string reason) => throw new InvalidOperationException("No Close was sent.");

        public readonly void OnViolation(ProtocolViolation violation) => throw new InvalidOperationException($"{violation}");

        public readonly void OnClosedAfterViolation() => throw new InvalidOperationException("No Close was sent.");
    }
}
