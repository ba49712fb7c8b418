using System.Buffers;
using Duologue.Fuzz.Engine;

namespace Duologue.Fuzz.Tests.Engine;

[Collection(OneAtATime.Name)]
public sealed class RentedArraysTests
{
    [Fact]
    public void An_array_that_is_not_given_back_is_missing()
    {
        RentedArrays.BeginHere();
        byte[] array = ArrayPool<byte>.Shared.Rent(3000);
        Assert.Equal(1, RentedArrays.MissingHere);
        Assert.Equal(4096, RentedArrays.LargestRentedHere);
        ArrayPool<byte>.Shared.Return(array);
        Assert.Equal(0, RentedArrays.MissingHere);
    }
}
