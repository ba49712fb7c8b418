namespace Duologue.Protocol.Deflate;

/// <summary>The compressors and decompressors of the process that no connection owns. Thread-safe.</summary>
internal static class SharedStreams
{
    private static readonly int Size = Math.Clamp(2 * Environment.ProcessorCount, 4, 32);

    // By window bits, each made when first one is asked for.
    private static readonly StreamPool<Deflater>?[] Deflaters = new StreamPool<Deflater>?[Compression.LargestWindow + 1];

    // One size reads all that is made with a smaller one.
    private static readonly StreamPool<Inflater> Inflaters = new(Size, static () => Inflater.TryCreate(Compression.LargestWindow));

    static SharedStreams() => Gen2Callback.Register(Trim);

    /// <summary>Borrows a compressor that knows of no earlier message; null if there is no memory.</summary>
    public static Deflater? RentDeflater(int windowBits) => PoolFor(windowBits).Rent();

    /// <summary>Gives back a compressor. The last flush must have been a full one, or <see cref="Deflater.Forget"/> have been called.</summary>
    public static void Return(Deflater deflater) => PoolFor(deflater.WindowBits).Return(deflater);

    /// <summary>Borrows a decompressor that knows of no earlier message; null if there is no memory.</summary>
    public static Inflater? RentInflater() => Inflaters.Rent();

    /// <summary>Gives back a decompressor in whatever state.</summary>
    public static void Return(Inflater inflater)
    {
        // One connection's text must never be within another's reach.
        inflater.Reset();
        Inflaters.Return(inflater);
    }

    private static StreamPool<Deflater> PoolFor(int windowBits) => Volatile.Read(ref Deflaters[windowBits]) ?? MakePool(windowBits);

    // Apart: the closure would cost each call an object.
    private static StreamPool<Deflater> MakePool(int windowBits)
    {
        var made = new StreamPool<Deflater>(Size, () => Deflater.TryCreate(windowBits));
        return Interlocked.CompareExchange(ref Deflaters[windowBits], made, null) ?? made;
    }

    private static void Trim()
    {
        Inflaters.Trim();
        foreach (StreamPool<Deflater>? pool in Deflaters)
        {
            pool?.Trim();
        }
    }

    /// <summary>
    /// Calls at each full collection: that is when memory is looked for, and it needs no timer. An object that nobody holds is finalized then, and
    /// holds itself for the next time.
    /// </summary>
    private sealed class Gen2Callback
    {
        private readonly Action _callback;

        private Gen2Callback(Action callback) => _callback = callback;

        ~Gen2Callback()
        {
            if (Environment.HasShutdownStarted)
            {
                return;
            }

            _callback();
            GC.ReRegisterForFinalize(this);
        }

        public static void Register(Action callback) => _ = new Gen2Callback(callback);
    }
}
