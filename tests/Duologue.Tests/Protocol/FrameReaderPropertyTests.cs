using System.Text;
using CsCheck;
using Duologue.Protocol;

namespace Duologue.Tests.Protocol;

/// <summary>However the bytes are cut, and by whichever way they enter, the events are the same.</summary>
public sealed class FrameReaderPropertyTests
{
    private static readonly Gen<byte[]> SomeText = Gen.String[0, 40].Select(text => Encoding.UTF8.GetBytes(text));

    private static readonly Gen<byte[]> SomeBytes = Gen.Frequency(
        (6, Gen.Byte.Array[0, 60]),
        (2, Gen.Byte.Array[120, 130]),
        (1, Gen.Byte.Array[300, 1000]));

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Valid_streams(bool server)
    {
        Role role = RoleOf(server);
        Gen.Select(Stream(role), Gen.Int).Sample((bytes, seed) => Same(role, bytes, seed, mayFail: false), iter: 1500);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Streams_with_damaged_bytes(bool server)
    {
        Role role = RoleOf(server);
        Gen<(int At, byte Value)[]> damage = Gen.Select(Gen.Int[0, 1 << 20], Gen.Byte, (at, value) => (at, value)).Array[1, 4];
        Gen.Select(Stream(role), damage, Gen.Int).Sample(
            (bytes, changes, seed) =>
            {
                foreach ((int at, byte value) in changes)
                {
                    if (bytes.Length > 0)
                    {
                        bytes[at % bytes.Length] ^= value;
                    }
                }

                return Same(role, bytes, seed, mayFail: true);
            },
            iter: 1500);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Streams_with_a_frame_that_breaks_a_rule(bool server)
    {
        Role role = RoleOf(server);
        Gen<byte[]> broken = Gen.Select(
            Gen.Int[0, 15],
            Gen.Bool,
            Gen.Int[0, 7],
            Gen.Int[0, 2].Select(form => form == 0 ? (int?)null : form == 1 ? 2 : 8),
            Gen.Bool,
            SomeBytes,
            (opcode, fin, reserved, size, masked, payload) =>
            {
                int fits = payload.Length < 126 || size is 2 or 8 ? payload.Length : 126;
                WireFrame frame = new(opcode, payload[..Math.Min(payload.Length, fits)]) { Fin = fin, Reserved = reserved, LengthSize = payload.Length < 126 ? size : null };
                return (masked ? frame.Masked() : frame).ToBytes();
            });
        Gen.Select(Stream(role), broken, Stream(role), Gen.Int).Sample(
            (before, frame, after, seed) => Same(role, [.. before, .. frame, .. after], seed, mayFail: true),
            iter: 1500);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Random_bytes(bool server)
    {
        Role role = RoleOf(server);
        Gen.Select(Gen.Byte.Array[0, 200], Gen.Int).Sample((bytes, seed) => Same(role, bytes, seed, mayFail: true), iter: 1500);
    }

    private static Role RoleOf(bool server) => server ? Role.Server : Role.Client;

    private static Gen<byte[]> Stream(Role role)
    {
        Gen<byte[]> ping = Gen.Byte.Array[0, 125].Select(payload => new WireFrame(WireFrame.Ping, payload).For(role).ToBytes());
        Gen<byte[]> pong = Gen.Byte.Array[0, 125].Select(payload => new WireFrame(WireFrame.Pong, payload).For(role).ToBytes());
        Gen<byte[]> text = Gen.Select(SomeText, Gen.Int[1, 5], ping, (payload, parts, control) => Message(role, WireFrame.Text, payload, parts, control));
        Gen<byte[]> binary = Gen.Select(SomeBytes, Gen.Int[1, 5], pong, (payload, parts, control) => Message(role, WireFrame.Binary, payload, parts, control));
        Gen<byte[]> close = Gen.Select(Gen.Int[3000, 4999], Gen.Bool, (code, empty) =>
            (empty ? new WireFrame(WireFrame.Close, []) : WireFrame.OfClose((ushort)code, "reason")).For(role).ToBytes());
        return Gen.Frequency((4, text), (4, binary), (2, ping), (1, pong), (1, close)).Array[0, 8]
            .Select(frames => frames.SelectMany(frame => frame).ToArray());
    }

    /// <summary>A message in equal parts, with a control frame after the first.</summary>
    private static byte[] Message(Role role, int opcode, byte[] payload, int parts, byte[] control)
    {
        var bytes = new List<byte>();
        for (int i = 0; i < parts; i++)
        {
            byte[] part = payload[(payload.Length * i / parts)..(payload.Length * (i + 1) / parts)];
            var frame = new WireFrame(i == 0 ? opcode : WireFrame.Continuation, part) { Fin = i == parts - 1 };
            bytes.AddRange(frame.For(role).ToBytes());
            if (i == 0 && parts > 1)
            {
                bytes.AddRange(control);
            }
        }

        return [.. bytes];
    }

    private static bool Same(Role role, byte[] bytes, int seed, bool mayFail)
    {
        RecordingReader Limited() => new(role, maxFragments: 4) { MessageLimit = 600, RefusedControl = mayFail ? 6 : -1 };
        RecordingReader Free() => mayFail ? Limited() : new RecordingReader(role);

        RecordingReader whole = Free();
        Assert.Equal(bytes.Length, whole.Receive(bytes));
        Assert.True(mayFail || !whole.Events.Any(e => e.StartsWith("violation", StringComparison.Ordinal)));
        Assert.InRange(whole.Events.Count(e => e.StartsWith("violation", StringComparison.Ordinal)), 0, 1);

        RecordingReader single = Free();
        single.ReceiveByteByByte(bytes);
        Assert.Equal(whole.Events, single.Events);

        var random = new Random(seed);
        RecordingReader cut = Free();
        for (int at = 0; at < bytes.Length;)
        {
            int count = Math.Min(random.Next(1, 50), bytes.Length - at);
            at += cut.Receive(bytes.AsSpan(at, count));
        }

        Assert.Equal(whole.Events, cut.Events);

        RecordingReader direct = Free();
        for (int at = 0; at < bytes.Length;)
        {
            int count = Math.Min(random.Next(1, 50), bytes.Length - at);
            int taken = random.Next(2) == 0 ? direct.ReceiveDirect(bytes.AsSpan(at), random.Next(1, 5), count) : 0;
            at += taken > 0 ? taken : direct.Receive(bytes.AsSpan(at, count));
        }

        Assert.Equal(whole.Events, direct.Events);

        // With a reader that must stop again and again.
        RecordingReader stopped = Free();
        for (int at = 0; at < bytes.Length;)
        {
            stopped.Allowance = stopped.BodyLength + random.Next(0, 20);
            at += stopped.Receive(bytes.AsSpan(at));
        }

        Assert.Equal(whole.Events, stopped.Events);
        return true;
    }
}
