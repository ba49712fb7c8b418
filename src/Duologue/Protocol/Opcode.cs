namespace Duologue.Protocol;

/// <summary>Frame opcodes (RFC 6455 §5.2 and §11.8).</summary>
internal enum Opcode : byte
{
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

internal static class Opcodes
{
    // RFC 6455 §5.5: control frames have the highest bit of the opcode set.
    public static bool IsControl(this Opcode opcode) => ((byte)opcode & 0x8) != 0;

    public static bool IsAssigned(this Opcode opcode) => opcode is <= Opcode.Binary or (>= Opcode.Close and <= Opcode.Pong);

    public static Opcode ToOpcode(this MessageType type) => type == MessageType.Text ? Opcode.Text : Opcode.Binary;
}
