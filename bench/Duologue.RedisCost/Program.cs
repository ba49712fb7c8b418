using Duologue.RedisCost;

if (args is not [("publish" or "channels") and var what, var address])
{
    Console.Error.WriteLine("""
        What topics cost a Redis that nobody else uses; start one with: redis-server --port 6399 --save ""
          publish HOST:PORT    commands, bytes and time of the server per published message
          channels HOST:PORT   one channel for all topics beside one for each
        """);
    return 2;
}

await (what == "publish" ? PublishCost.RunAsync(address) : ChannelCost.RunAsync(address));
return 0;
