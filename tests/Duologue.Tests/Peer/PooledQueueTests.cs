using CsCheck;
using Duologue.Peer;

namespace Duologue.Tests.Peer;

public sealed class PooledQueueTests
{
    [Fact]
    public void Behaves_like_a_queue_whatever_the_order_of_calls() =>
        Gen.Bool.Array[0, 300].Sample(calls =>
        {
            var queue = default(PooledQueue<string>);
            var model = new Queue<string>();
            int number = 0;
            foreach (bool adds in calls)
            {
                if (adds)
                {
                    queue.Enqueue($"{number}");
                    model.Enqueue($"{number++}");
                }
                else
                {
                    Assert.Equal(model.TryDequeue(out string? expected), queue.TryDequeue(out string? actual));
                    Assert.Equal(expected, actual);
                }

                Assert.Equal(model.Count, queue.Count);
            }
        });
}
