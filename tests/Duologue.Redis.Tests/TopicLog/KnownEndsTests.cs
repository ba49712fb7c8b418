using Duologue.AspNetCore;

namespace Duologue.Redis.Tests;

public class KnownEndsTests
{
    private readonly KnownEnds _ends = new(new EpochSource(TimeProvider.System), TimeProvider.System);

    [Fact]
    public void A_publish_tells_where_the_server_may_be_another_and_a_read_always()
    {
        Learn(new TopicPosition(7, 3));
        Assert.Null(_ends.Tell("t", isSure: false).Position);
        Assert.Equal(new TopicPosition(7, 3), _ends.Tell("t", isSure: true).Position);
        _ends.Doubt();
        Assert.Equal(["t"], _ends.ListDoubtful());
        KnownEnd told = _ends.Tell("t", isSure: false);
        Assert.Equal(new TopicPosition(7, 3), told.Position);
        _ends.Learn("t", told, new TopicPosition(7, 4), isNew: false);
        Assert.Null(_ends.Tell("t", isSure: false).Position);
        Assert.Empty(_ends.ListDoubtful());
        Assert.Null(_ends.Tell("another", isSure: true).Position);
    }

    [Fact]
    public void An_answer_to_a_call_that_was_made_before_the_doubt_does_not_end_it()
    {
        Learn(new TopicPosition(7, 3));
        KnownEnd told = _ends.Tell("t", isSure: false);
        _ends.Doubt();
        _ends.Learn("t", told, new TopicPosition(7, 4), isNew: true);
        Assert.Equal(new TopicPosition(7, 4), _ends.Tell("t", isSure: false).Position);
    }

    [Fact]
    public void What_was_not_told_under_another_epoch_is_told_yet()
    {
        Learn(new TopicPosition(7, 3));
        KnownEnd silent = _ends.Tell("t", isSure: false);
        _ends.Learn("t", silent, new TopicPosition(8, 2), isNew: true);
        KnownEnd told = _ends.Tell("t", isSure: false);
        Assert.Equal(new TopicPosition(7, 3), told.Position);
        _ends.Learn("t", told, new TopicPosition(8, 3), isNew: true);
        Assert.Equal(new TopicPosition(8, 3), _ends.Tell("t", isSure: true).Position);
        Hear(new TopicPosition(8, 5));
        Hear(new TopicPosition(9, 1));
        Assert.Equal(new TopicPosition(8, 5), _ends.Tell("t", isSure: false).Position);
    }

    [Fact]
    public void Only_what_is_followed_or_was_published_to_lately_is_remembered()
    {
        Hear(new TopicPosition(7, 3));
        Assert.Null(_ends.Tell("t", isSure: true).Position);
        Learn(new TopicPosition(7, 3));
        _ends.Forget(TimeSpan.Zero, static _ => true);
        Assert.NotNull(_ends.Tell("t", isSure: true).Position);
        _ends.Forget(TimeSpan.FromMinutes(10), static _ => false);
        Assert.NotNull(_ends.Tell("t", isSure: true).Position);
        _ends.Forget(TimeSpan.Zero, static _ => false);
        Assert.Null(_ends.Tell("t", isSure: true).Position);
    }

    [Fact]
    public void Topics_that_were_used_once_kept_out_those_that_are_followed()
    {
        var position = new TopicPosition(7, 3);
        for (int i = 0; i < KnownEnds.MaxCount; i++)
        {
            _ends.Learn($"once {i}", default, position, isNew: true);
        }

        Learn(position);
        Assert.Null(_ends.Tell("t", isSure: true).Position);
        _ends.Follow("followed", position);
        Assert.Equal(position, _ends.Tell("followed", isSure: true).Position);

        _ends.Unfollow("followed");
        Assert.Null(_ends.Tell("followed", isSure: true).Position);
        _ends.Follow("followed", position);

        // What is forgotten makes room.
        _ends.Forget(TimeSpan.Zero, static topic => topic == "followed");
        Learn(position);
        Assert.Equal(position, _ends.Tell("t", isSure: true).Position);
        Assert.Equal(position, _ends.Tell("followed", isSure: true).Position);
    }

    [Fact]
    public void Epochs_are_greater_than_those_of_a_clock_that_is_ahead_but_not_by_centuries()
    {
        var epochs = new EpochSource(TimeProvider.System);
        long ahead = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeMilliseconds() << 20;
        epochs.Observe(ahead);
        Assert.True(epochs.Next() > ahead);
        epochs.Observe(long.MaxValue);
        Assert.True(epochs.Next() < ahead * 2);
    }

    private void Learn(TopicPosition position) => _ends.Learn("t", _ends.Tell("t", isSure: false), position, isNew: true);

    private void Hear(TopicPosition position) => _ends.Hear([new AppendedMessage("t", new TopicMessage(position, MessageType.Text, default))]);
}
