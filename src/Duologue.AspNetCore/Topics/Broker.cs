namespace Duologue.AspNetCore;

/// <summary>
/// Stores topics, and tells the processes that share it what was appended. The log is the truth: what a subscriber gets, it gets in the log's order,
/// and what it missed is read from there. Notifications are hints; one that is late, doubled or lost costs time, not messages. Register
/// one as a singleton service of type <see cref="Broker"/>; the default keeps everything in this process's memory. Thread-safe.
/// </summary>
public abstract class Broker
{
    private IBrokerListener? _listener;

    /// <summary>Appends a message, trims the history and notifies all subscribed processes, this one too: one atomic step.</summary>
    /// <remarks>
    /// Part of that step is <see cref="TopicMessage.IdempotencyKey"/>: if the topic remembers the message's key, within <see cref="TopicHistory.MaxIdempotencyKeys"/> and
    /// <see cref="TopicHistory.MaxIdempotencyKeyAge"/>, then the answer is the position of the message that had it first, nothing is appended, and nobody is notified. Only keys are compared.
    /// </remarks>
    /// <param name="topic">A valid name.</param>
    /// <param name="message">Has no position yet.</param>
    /// <param name="history">How much to keep.</param>
    /// <param name="cancellationToken">Stops the waiting; the message may have been appended.</param>
    /// <returns>The message's position: the epoch of the topic, and an offset greater by one than the one before.</returns>
    /// <exception cref="InvalidOperationException">A limit on topics is reached; the message names it.</exception>
    public abstract ValueTask<TopicPosition> AppendAsync(string topic, TopicMessage message, TopicHistory history, CancellationToken cancellationToken);

    /// <summary>Reads what follows a place.</summary>
    /// <param name="topic">A valid name; the topic need not exist.</param>
    /// <param name="start">The place.</param>
    /// <param name="maxCount">The most messages to give.</param>
    /// <param name="maxBytes">The most bytes of payload to give; the first message is given however large it is.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    public abstract ValueTask<TopicPage> ReadAsync(string topic, TopicStart start, int maxCount, int maxBytes, CancellationToken cancellationToken);

    /// <summary>
    /// Begins to notify this process of what is appended to a topic, and keeps the topic alive meanwhile. Calls are counted: each is ended by one of <see cref="UnsubscribeAsync"/>.
    /// </summary>
    /// <param name="topic">A valid name, or a pattern.</param>
    /// <param name="cancellationToken">Stops the waiting.</param>
    /// <returns>
    /// The newest position when the notifications began: all that follows is notified. What stands before it and is still to be notified to a pattern is notified before the answer: the topic is handed out from here on. Default for a
    /// pattern.
    /// </returns>
    /// <exception cref="InvalidOperationException">A limit on topics is reached; the message names it.</exception>
    public abstract ValueTask<TopicPosition> SubscribeAsync(string topic, CancellationToken cancellationToken);

    /// <summary>Ends the notifications.</summary>
    /// <param name="topic">What was given to <see cref="SubscribeAsync"/>.</param>
    public abstract ValueTask UnsubscribeAsync(string topic);

    /// <summary>
    /// Makes known to the other processes that somebody of this one has begun or ended to subscribe to a topic by its name. Called one at a time, in order, with no lock held; must not wait. A broker
    /// that makes no presence known does nothing, as this does.
    /// </summary>
    /// <param name="topic">A valid name.</param>
    /// <param name="subscriber">Who it is.</param>
    /// <param name="joined">Whether it has begun.</param>
    public virtual void Announce(string topic, TopicSubscriber subscriber, bool joined)
    {
    }

    /// <summary>How many subscribers of a topic are known in other processes. By default 0.</summary>
    /// <param name="topic">A valid name.</param>
    public virtual int CountElsewhere(string topic) => 0;

    /// <summary>Those whom <see cref="CountElsewhere"/> counts.</summary>
    /// <param name="topic">A valid name.</param>
    public virtual IReadOnlyList<TopicSubscriber> ListElsewhere(string topic) => [];

    /// <summary>To be called when somebody has begun to subscribe in another process: one at a time, in order, with no lock held.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="subscriber">Who it is.</param>
    protected void OnJoined(string topic, TopicSubscriber subscriber) => _listener?.Joined(topic, subscriber);

    /// <summary>To be called when somebody's subscription in another process has ended, or the process: one at a time, in order, with no lock held.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="subscriber">Who it is.</param>
    protected void OnLeft(string topic, TopicSubscriber subscriber) => _listener?.Left(topic, subscriber);

    /// <summary>To be called with what was appended, with no lock held. Never waits.</summary>
    /// <param name="topic">The topic's name.</param>
    /// <param name="message">The message, with its position.</param>
    protected void OnAppended(string topic, TopicMessage message) => OnAppended([new AppendedMessage(topic, message)]);

    /// <summary>To be called where notifications may have been lost, as after a reconnect: the topic's log is read. Never waits.</summary>
    /// <param name="topic">The topic's name.</param>
    protected void OnUncertain(string topic) => _listener?.Uncertain(topic);

    /// <summary>To be called where messages of whatever topic may have been missed: who subscribes by a pattern, and so has no log to read them from, is told. Never waits.</summary>
    protected void OnMissed() => _listener?.Missed();

    /// <summary>To be called when a topic that nobody used was forgotten, with no lock held.</summary>
    /// <param name="topic">The topic's name.</param>
    protected void OnExpired(string topic) => _listener?.Expired(topic);

    /// <summary>
    /// A number that changes when notifications may have been missed; null while they may be. A broker that notifies of all topics, subscribed to or not, tells by it whether what was appended since somebody subscribed
    /// is sure to be heard of. Of another nothing is known before it has answered.
    /// </summary>
    internal virtual long? Hearing => 0;

    /// <summary>
    /// Whether it takes a publish before those before it have been answered, and appends them in the order in which it took them. By default not: who publishes one after the other waits for each. A broker that refuses
    /// what is too much says no long before.
    /// </summary>
    internal virtual bool TakesAhead => false;

    /// <summary>The same for messages that were heard of together, in their order: what they bring a subscriber of one topic leaves as one page. Not so many that a send queue could overflow.</summary>
    internal FanoutReach OnAppended(ReadOnlySpan<AppendedMessage> together) => _listener?.Appended(together) ?? default;

    /// <summary>The same for a message that is not at hand any more, and perhaps others behind it: the topic's log is read. Never waits.</summary>
    internal void OnAppendedUnseen(string topic, TopicPosition first) => _listener?.AppendedUnseen(topic, first);

    /// <summary>Where a topic's log ends, as was just seen: what this process was not notified of, if it follows the topic, is read. Never waits.</summary>
    internal void OnSeen(string topic, TopicPosition end) => _listener?.Seen(topic, end);

    /// <summary>Whether the application may be asked, or told, while what was appended is handed out: then it may take its time.</summary>
    internal bool HandOutAsksApplication => _listener is { AsksApplication: true };

    internal void Attach(IBrokerListener listener) => _listener = listener;
}

/// <summary>Hears of what a broker has.</summary>
internal interface IBrokerListener
{
    /// <summary>Whether the application may be asked, or told, within <see cref="Appended"/>.</summary>
    bool AsksApplication { get; }

    FanoutReach Appended(ReadOnlySpan<AppendedMessage> together);

    void AppendedUnseen(string topic, TopicPosition first);

    void Seen(string topic, TopicPosition end);

    void Uncertain(string topic);

    void Missed();

    void Expired(string topic);

    void Joined(string topic, TopicSubscriber subscriber);

    void Left(string topic, TopicSubscriber subscriber);
}

/// <summary>A message, with its position, and the topic that it was appended to.</summary>
internal readonly record struct AppendedMessage(string Topic, TopicMessage Message);

/// <summary>Whom messages that were handed out together have reached here.</summary>
/// <param name="Deliveries">To how many they went, each message counted for each receiver.</param>
/// <param name="Together">How many of these left behind another one to the same receiver.</param>
internal readonly record struct FanoutReach(int Deliveries, int Together)
{
    public static FanoutReach operator +(FanoutReach one, FanoutReach other) => new(one.Deliveries + other.Deliveries, one.Together + other.Together);
}
