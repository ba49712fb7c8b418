using System.ComponentModel;
using System.Globalization;

namespace Duologue;

/// <summary>
/// How the messages of a connection are compressed (permessage-deflate, RFC 7692), named by what it costs. Used only if the peer agrees;
/// see <see cref="Connection.Extensions"/>. Immutable; vary with <c>with</c>. Values compare by content.
/// </summary>
/// <remarks>
/// Compression costs processor time for bytes on the wire, and memory for better compression. Do not compress a secret together with text that
/// somebody else can choose: see <see cref="MessageFlags.DisableCompression"/>. Configuration and the command line write the modes as
/// <c>off</c>, <c>shared</c>, <c>dedicated</c> and <c>dedicated:12</c>.
/// </remarks>
[TypeConverter(typeof(CompressionConverter))]
public sealed record Compression
{
    internal const int SmallestWindow = 9;
    internal const int LargestWindow = 15;

    private Compression(CompressionMode mode, int windowBits)
    {
        Mode = mode;
        WindowBits = windowBits;
    }

    /// <summary>Nothing is compressed, and nothing offered or agreed to. The default.</summary>
    public static Compression Off { get; } = new(CompressionMode.Off, LargestWindow);

    /// <summary>
    /// Each message is compressed by itself (no context takeover, in both directions), by a compressor that is borrowed for the message:
    /// a connection at rest holds no memory for it.
    /// </summary>
    public static Compression Shared { get; } = new(CompressionMode.Shared, LargestWindow);

    /// <summary>
    /// The connection has a compressor and a decompressor of its own, so that each message may refer to those before it: many small, alike
    /// messages shrink most. From the first compressed message on they hold memory for as long as the connection lives; docs/compression.md has the
    /// figures. A server bounds how many it holds, and uses <see cref="Shared"/> above that (MaxDedicatedCompressors).
    /// </summary>
    /// <param name="windowBits">
    /// How far back a message may refer: 2 to the power of this, in bytes; 9 to 15. It bounds both directions as far as the peer agrees. It hardly
    /// bounds the memory: 15 is the best choice unless the peer needs less.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="windowBits"/> is not 9 to 15. RFC 7692 allows 8, zlib does not.</exception>
    public static Compression Dedicated(int windowBits)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(windowBits, SmallestWindow);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(windowBits, LargestWindow);
        return new(CompressionMode.Dedicated, windowBits);
    }

    /// <summary>
    /// The smallest message to compress, in bytes; smaller ones are sent as they are. Default 256; 0 compresses all. Says nothing about what
    /// the peer compresses.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is negative.</exception>
    public int Threshold
    {
        get;
        init
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value, nameof(Threshold));
            field = value;
        }
    }
    = 256;

    internal CompressionMode Mode { get; }

    internal int WindowBits { get; }

    /// <summary>The mode as configuration writes it.</summary>
    public override string ToString() => Mode switch
    {
        CompressionMode.Off => "off",
        CompressionMode.Shared => "shared",
        _ => WindowBits == LargestWindow ? "dedicated" : string.Create(CultureInfo.InvariantCulture, $"dedicated:{WindowBits}"),
    };

    /// <summary>Reads a mode as configuration and the command line write it.</summary>
    internal static bool TryParse(string? text, out Compression compression)
    {
        const string WithBits = "dedicated:";
        compression = Off;
        switch (text?.Trim().ToLowerInvariant())
        {
            case "off":
                return true;
            case "shared":
                compression = Shared;
                return true;
            case "dedicated":
                compression = Dedicated(LargestWindow);
                return true;
            case { } other when other.StartsWith(WithBits, StringComparison.Ordinal)
                && int.TryParse(other.AsSpan(WithBits.Length), NumberStyles.None, CultureInfo.InvariantCulture, out int bits)
                && bits is >= SmallestWindow and <= LargestWindow:
                compression = Dedicated(bits);
                return true;
            default:
                return false;
        }
    }
}

internal enum CompressionMode : byte
{
    Off,
    Shared,
    Dedicated,
}

/// <summary>Lets configuration bind a mode from its text.</summary>
internal sealed class CompressionConverter : TypeConverter
{
    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value) =>
        Compression.TryParse(value as string, out Compression compression)
            ? compression
            : throw new FormatException($"\"{value}\" is no mode of compression; use off, shared, dedicated or dedicated:9 to dedicated:15.");
}
