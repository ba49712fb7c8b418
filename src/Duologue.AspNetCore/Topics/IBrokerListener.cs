namespace Duologue.AspNetCore;

/// <summary>Hears of what a broker has.</summary>
internal interface IBrokerListener
{
    FanoutReach Appended(ReadOnlySpan<AppendedMessage> together);

    void AppendedUnseen(string topic, TopicPosition first);

    void Seen(string topic, TopicPosition end);

    void Uncertain(string topic);

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
