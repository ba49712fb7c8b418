using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace Duologue.Peer;

/// <summary>
/// Objects of one kind that are wanted one at a time, long after each other, and are used by the thousand, one behind the other: made in batches, they lie side by
/// side. Made when they are wanted, each lies behind all else that a handshake allocates, in a page of its own. Thread-safe.
/// </summary>
/// <remarks>What was taken never comes back: it is the collector's, like any object. What is left over is less than one batch.</remarks>
/// <typeparam name="T">A class without a finalizer: objects that are never taken are never constructed.</typeparam>
internal sealed class Stock<[DynamicallyAccessedMembers(DynamicallyAccessedMemberTypes.PublicConstructors | DynamicallyAccessedMemberTypes.NonPublicConstructors)] T>
    where T : class
{
    /// <summary>How many are made at once. Of a connection's objects that is some KiB of each: a few pages, and nothing beside what a handshake takes.</summary>
    public const int Batch = 64;

    private readonly T?[] _made = new T?[Batch];
    private int _left;

    /// <summary>An object of which no constructor has run: the caller runs one, by an <see cref="UnsafeAccessorAttribute"/>, so that the class need not know of this.</summary>
    public T Take()
    {
        lock (_made)
        {
            if (_left == 0)
            {
                Make();
            }

            T taken = _made[--_left]!;
            _made[_left] = null;
            return taken;
        }
    }

    // Backwards, so that the first to be taken lies before the others.
    private void Make()
    {
        for (int i = Batch - 1; i >= 0; i--)
        {
            _made[i] = (T)RuntimeHelpers.GetUninitializedObject(typeof(T));
        }

        _left = Batch;
    }
}
