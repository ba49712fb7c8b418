using System.Net.WebSockets;
using System.Text;
using Duologue.AspNetCore;

namespace Duologue.Redis.Tests.Support;

/// <summary>Reads as an application does that means to have all: a read that Redis was away for is asked again.</summary>
internal static class Reading
{
    extension(ClientWebSocket socket)
    {
        /// <summary>The next message, of at most a kilobyte.</summary>
        public async Task<string> ReceiveTextAsync()
        {
            byte[] buffer = new byte[1024];
            ValueWebSocketReceiveResult result = await socket.ReceiveAsync(buffer.AsMemory(), TestContext.Current.CancellationToken).AsTask().WaitAsync(Node.Patience, TestContext.Current.CancellationToken);
            Assert.Equal((WebSocketMessageType.Text, true), (result.MessageType, result.EndOfMessage));
            return Encoding.UTF8.GetString(buffer, 0, result.Count);
        }
    }

    extension(TopicSubscription reader)
    {
        /// <summary>So many messages, with no reset among them.</summary>
        public async Task<List<string>> TextsAsync(int count)
        {
            List<string> texts = [];
            while (texts.Count < count)
            {
                TopicPage page = await reader.NextAsync();
                Assert.False(page.IsReset);
                texts.AddRange(page.Messages.Select(message => message.Text));
            }

            return texts;
        }

        /// <summary>All up to one, and whether there was a reset.</summary>
        public async Task<(bool WasReset, List<string> Texts)> TextsToAsync(string last)
        {
            (bool wasReset, List<string> texts) = (false, []);
            while (texts.Count == 0 || texts[^1] != last)
            {
                TopicPage page = await reader.NextAsync();
                wasReset |= page.IsReset;
                texts.AddRange(page.Messages.Select(message => message.Text));
            }

            return (wasReset, texts);
        }

        private async Task<TopicPage> NextAsync()
        {
            using var patience = new CancellationTokenSource(Node.Patience);
            while (true)
            {
                try
                {
                    return await reader.ReadAsync(patience.Token);
                }
                catch (BrokerUnavailableException)
                {
                    await Task.Delay(50, patience.Token);
                }
            }
        }
    }
}
