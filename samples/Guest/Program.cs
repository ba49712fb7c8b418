using Duologue;

await using var talk = await Connection.ConnectAsync(new Uri("ws://localhost:5000/talk"));
await talk.SendAsync("Hello, all.");
await foreach (var message in talk.ReadAllAsync())
    Console.WriteLine(message.Text);
