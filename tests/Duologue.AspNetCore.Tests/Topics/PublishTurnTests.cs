namespace Duologue.AspNetCore.Tests.Pubsub;

public class PublishTurnTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_publish_that_has_its_answer_keeps_none_before_it_in_memory(bool isDone)
    {
        var before = new PublishTurn("before", null);
        var turn = new PublishTurn("turn", before);
        before.NotDone();
        Assert.True(turn.IsBroken);
        if (isDone)
        {
            turn.Done();
        }
        else
        {
            turn.NotDone();
        }

        // It asks none before it any more.
        Assert.False(turn.IsBroken);
        Assert.Equal(!isDone, new PublishTurn("next", turn).IsBroken);
    }
}
