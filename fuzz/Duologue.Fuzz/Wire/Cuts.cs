namespace Duologue.Fuzz.Wire;

/// <summary>The sizes into which a carrier may cut a stream.</summary>
internal static class Cuts
{
    private static readonly int[] Sizes = [1, 2, 3, 4, 5, 7, 8, 13, 16, 32, 64, 125, 256, 1024, 4096, int.MaxValue];

    /// <summary>The size that the low four bits name.</summary>
    public static int SizeOf(byte choice) => Sizes[choice & 0x0F];
}
