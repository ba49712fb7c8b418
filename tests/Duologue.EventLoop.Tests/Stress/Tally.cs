using System.Globalization;

namespace Duologue.EventLoop.Tests.Stress;

/// <summary>What was done, by all peers together.</summary>
internal sealed class Tally
{
    private long _conversations;
    private long _messages;
    private long _news;
    private long _pongs;
    private long _bytes;

    public long Conversations => Interlocked.Read(ref _conversations);

    public long Messages => Interlocked.Read(ref _messages);

    public long News => Interlocked.Read(ref _news);

    public void AddConversation() => Interlocked.Increment(ref _conversations);

    public void AddPong() => Interlocked.Increment(ref _pongs);

    public void AddMessage(int length)
    {
        Interlocked.Increment(ref _messages);
        Interlocked.Add(ref _bytes, length);
    }

    public void AddNews(int length)
    {
        Interlocked.Increment(ref _news);
        Interlocked.Add(ref _bytes, length);
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Conversations:N0} conversations, {Messages:N0} messages came back, {News:N0} news arrived, {Interlocked.Read(ref _pongs):N0} pongs, {Interlocked.Read(ref _bytes) / 1e6:N0} MB checked");
}
