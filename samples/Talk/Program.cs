using Duologue;
using Duologue.AspNetCore;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddDuologue();
var app = builder.Build();
var topics = app.Services.GetRequiredService<Topics>();

app.MapDuologue("/talk", async connection =>
{
    connection.Subscribe("talk");                             // what anyone says, this one hears
    connection.Send("Welcome.");                              // the server may speak first
    await foreach (var message in connection.ReadAllAsync())
        topics.Publish("talk", message.Text);                 // framed once, sent to all
});

app.Run();
