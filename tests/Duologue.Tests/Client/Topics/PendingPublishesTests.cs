using Duologue.Client;
using Microsoft.Extensions.Time.Testing;

namespace Duologue.Tests.Client.Topics;

public class PendingPublishesTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly PendingPublishes _queue;

    public PendingPublishesTests() => _queue = new PendingPublishes(new TopicClientOptions { Connect = new ConnectOptions { TimeProvider = _time }, RepeatFor = TimeSpan.FromMinutes(1) });

    [Fact]
    public async Task What_has_no_answer_is_sent_again_in_order_with_its_key()
    {
        PendingPublish[] all = [.. Enumerable.Range(0, 4).Select(_ => Add())];
        Assert.Equal(all[0], _queue.TryNext(2));
        Assert.Equal(all[1], _queue.TryNext(2));
        Assert.Null(_queue.TryNext(2));
        _queue.Confirm(all[0].Number, "a-1");
        Assert.Equal("a-1", await all[0].Answer.Task);
        Assert.Equal(all[2], _queue.TryNext(2));
        string key = all[1].Key;

        Assert.Equal(2, _queue.Rewind());

        Assert.Equal([all[1], all[2], all[3], null], [_queue.TryNext(9), _queue.TryNext(9), _queue.TryNext(9), _queue.TryNext(9)]);
        Assert.Equal(key, all[1].Key);
        Assert.Equal(4, all.Select(publish => publish.Key).Distinct().Count());
    }

    [Fact]
    public async Task What_was_first_sent_too_long_ago_is_not_sent_again()
    {
        PendingPublish sent = Add();
        PendingPublish unsent = Add();
        _queue.TryNext(1);
        _time.Advance(TimeSpan.FromSeconds(61));
        Assert.Equal(0, _queue.Rewind());
        Assert.Equal(unsent, _queue.TryNext(9));
        TopicException unknown = await Assert.ThrowsAsync<TopicException>(() => sent.Answer.Task);
        Assert.Equal("unknown", unknown.Code);
        Assert.False(unsent.Answer.Task.IsCompleted);
    }

    [Fact]
    public async Task Who_waited_for_an_answer_was_told_that_nobody_knows_only_when_another_way_began()
    {
        PendingPublish first = Add();
        PendingPublish second = Add();
        _queue.TryNext(1);
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(second, _queue.TryNext(2));
        PendingPublish third = Add();
        _time.Advance(TimeSpan.FromSeconds(31));
        Assert.Equal("unknown", (await Assert.ThrowsAsync<TopicException>(() => first.Answer.Task)).Code);
        Assert.False(second.Answer.Task.IsCompleted);

        // Its answer comes too late, and there is room for the next.
        _queue.Confirm(first.Number, "a-1");
        Assert.Equal(third, _queue.TryNext(2));
        _time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal("unknown", (await Assert.ThrowsAsync<TopicException>(() => second.Answer.Task)).Code);
        Assert.False(third.Answer.Task.IsCompleted);
    }

    [Fact]
    public async Task One_that_is_refused_makes_room_for_the_next()
    {
        PendingPublish first = Add();
        PendingPublish second = Add();
        _queue.TryNext(1);
        _queue.Fail(first.Number, new TopicException("forbidden", "", null));
        Assert.Equal(second, _queue.TryNext(1));
        Assert.Equal("forbidden", (await Assert.ThrowsAsync<TopicException>(() => first.Answer.Task)).Code);
    }

    [Fact]
    public async Task What_the_server_could_not_do_is_sent_again_with_what_was_sent_behind_it()
    {
        PendingPublish[] all = [.. Enumerable.Range(0, 4).Select(_ => Add())];
        Assert.Equal([all[0], all[1], all[2], null], [_queue.TryNext(3), _queue.TryNext(3), _queue.TryNext(3), _queue.TryNext(3)]);
        var failure = new TopicException("unavailable", "", null);
        _queue.Repeat(all[1].Number, failure);
        _queue.Repeat(all[2].Number, failure);
        _queue.Confirm(all[2].Number, "a-2");
        Assert.Equal([all[1], all[3], null], [_queue.TryNext(3), _queue.TryNext(3), _queue.TryNext(3)]);

        // Answered meanwhile, or once more than it was asked for: nothing is sent for it.
        _queue.Confirm(all[0].Number, "a-1");
        _queue.Repeat(all[0].Number, failure);
        Assert.Null(_queue.TryNext(3));

        _time.Advance(TimeSpan.FromSeconds(61));
        _queue.Repeat(all[1].Number, failure);
        Assert.Null(_queue.TryNext(3));
        Assert.Equal(failure, (await Assert.ThrowsAsync<TopicException>(() => all[1].Answer.Task)).InnerException);
    }

    [Theory]
    [InlineData("forbidden", "unknown")]
    [InlineData("unavailable", "unavailable")]
    public async Task One_that_may_have_been_published_was_told_as_refused_when_its_repeat_was(string code, string expected)
    {
        PendingPublish publish = Add();
        Assert.Equal(publish, _queue.TryNext(1));
        _queue.Repeat(publish.Number, new TopicException("unavailable", "It may have been published or not.", null));
        Assert.Equal(publish, _queue.TryNext(1));

        _queue.Fail(publish.Number, new TopicException(code, "No.", null));

        Assert.Equal(expected, (await Assert.ThrowsAsync<TopicException>(() => publish.Answer.Task)).Code);
    }

    [Fact]
    public async Task One_that_stood_before_a_repeat_was_failed_for_the_one_that_was_too_large()
    {
        PendingPublish[] all = [.. Enumerable.Range(0, 3).Select(_ => Add())];
        foreach ((PendingPublish publish, int size) in all.Zip([20, 10, 30]))
        {
            Assert.Equal(publish, _queue.TryNext(3));
            publish.SentSize = size;
        }

        _queue.Repeat(all[1].Number, new TopicException("unavailable", "", null));
        _queue.FailLargest(_ => new TopicException("bad_request", "", null));

        Assert.False(all[0].Answer.Task.IsCompleted);
        Assert.Equal("bad_request", (await Assert.ThrowsAsync<TopicException>(() => all[2].Answer.Task)).Code);
        Assert.Equal([null, all[1], null], [_queue.TryNext(1), _queue.TryNext(2), _queue.TryNext(9)]);
    }

    [Fact]
    public void What_only_the_way_before_had_sent_was_too_large_for_the_next()
    {
        PendingPublish publish = Add();
        Assert.Equal(publish, _queue.TryNext(1));
        publish.SentSize = 30;
        Assert.Equal(1, _queue.Rewind());
        Assert.Equal(publish, _queue.TryNext(1));

        _queue.FailLargest(_ => new TopicException("bad_request", "", null));

        Assert.False(publish.Answer.Task.IsCompleted);
    }

    [Fact]
    public void What_has_not_been_sent_can_be_taken_back()
    {
        PendingPublish first = Add();
        PendingPublish second = Add();
        Assert.Equal(first, _queue.TryNext(9));
        Assert.False(_queue.TryTakeBack(first));
        Assert.True(_queue.TryTakeBack(second));
        Assert.Null(_queue.TryNext(9));
        Assert.Equal(1, _queue.Rewind());
        Assert.Equal(first, _queue.TryNext(9));
    }

    [Fact]
    public void Of_what_waits_to_be_sent_only_what_was_taken_back_is_not_sent()
    {
        PendingPublish[] all = [.. Enumerable.Range(0, 4).Select(_ => Add())];
        Assert.True(_queue.TryTakeBack(all[0]));
        Assert.True(_queue.TryTakeBack(all[2]));
        Assert.Equal([all[1], all[3], null], [_queue.TryNext(2), _queue.TryNext(9), _queue.TryNext(9)]);
    }

    [Fact]
    public void What_the_way_before_had_under_way_takes_no_room_from_the_next()
    {
        PendingPublish?[] all = [Add(), Add()];
        Assert.Equal(all, [_queue.TryNext(2), _queue.TryNext(2)]);
        Assert.Equal(2, _queue.Rewind());
        Assert.Equal([all[0], null], [_queue.TryNext(1), _queue.TryNext(1)]);
    }

    [Fact]
    public async Task The_end_fails_all_and_takes_no_more()
    {
        PendingPublish publish = Add();
        _queue.End(new TopicException("ended", "", null));
        await Assert.ThrowsAsync<TopicException>(() => publish.Answer.Task);
        Assert.Throws<TopicException>(Add);
    }

    [Fact]
    public void The_one_before_in_its_topic_is_named_while_it_has_no_answer()
    {
        PendingPublish first = Add();
        PendingPublish other = _queue.Add("other", PublishKind.Text, []);
        PendingPublish second = Add();
        Assert.Equal([null, null, first.Key], new[] { first, other, second }.Select(_queue.KeyBefore));
        _queue.Confirm(first.Number, "a-1");
        Assert.Null(_queue.KeyBefore(second));
    }

    private PendingPublish Add() => _queue.Add("t", PublishKind.Text, []);
}
