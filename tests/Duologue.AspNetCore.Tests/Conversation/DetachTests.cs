using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using Duologue.AspNetCore.Tests.Support;
using Duologue.Carriers;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;

namespace Duologue.AspNetCore.Tests.Conversation;

/// <summary>The seam at which a transport takes a connection out of Kestrel. Here the taker carries on over the transport's own pipe.</summary>
public class DetachTests
{
    [Theory]
    [InlineData("/class")]
    [InlineData("/delegate")]
    public async Task A_detached_conversation_outlives_its_request(string path)
    {
        var requestEnded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await StartAsync(requestEnded, true);
        using ClientWebSocket client = await host.ConnectAsync(path + "?room=1");

        await requestEnded.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
        await client.SendTextAsync("after the request");

        Assert.Equal("after the request", await client.ReceiveTextAsync());
        Connection connection = Assert.Single(host.Connections);
        Assert.Equal(path, connection.Request!.Path);
        Assert.Equal("?room=1", connection.Request.QueryString);
        Assert.Equal("127.0.0.1", connection.Request.RemoteEndPoint!.Address.ToString());
        await client.CloseAsync();
        await Eventually.True(() => host.Connections.Count == 0);
    }

    [Fact]
    public async Task A_transport_that_declines_changes_nothing()
    {
        var requestEnded = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using TestHost host = await StartAsync(requestEnded, false);
        using ClientWebSocket client = await host.ConnectAsync("/class");

        await client.SendTextAsync("hello");

        Assert.Equal("hello", await client.ReceiveTextAsync());
        Assert.False(requestEnded.Task.IsCompleted);
        await client.CloseAsync();
        await requestEnded.Task.WaitAsync(TestHost.Patience, TestContext.Current.CancellationToken);
    }

    private static Task<TestHost> StartAsync(TaskCompletionSource requestEnded, bool detaches) => TestHost.StartAsync(
        app =>
        {
            app.Use(async (context, next) =>
            {
                await next(context);
                requestEnded.TrySetResult();
            });
            app.UseRouting();
            app.MapDuologue<EchoHandler>("/class");
            app.MapDuologue("/delegate", Talks.Echo);
        },
        _ => { },
        builder => builder.WebHost.ConfigureKestrel(kestrel => kestrel.ConfigureEndpointDefaults(listen => listen.Use(next => async connection =>
        {
            var detach = new PipeDetach(connection, detaches);
            connection.Features.Set<IConnectionDetachFeature>(detach);
            await next(connection);
            await detach.FinishAsync();
        }))));

    /// <summary>
    /// Between Kestrel and the socket: gives Kestrel a pipe of its own for the request, and goes on with the real one after it.
    /// </summary>
    private sealed class PipeDetach : IConnectionDetachFeature
    {
        private readonly IDuplexPipe _real;
        private readonly ConnectionContext _context;
        private readonly bool _detaches;
        private readonly Pipe _toKestrel = new();
        private readonly Pipe _fromKestrel = new();
        private readonly Task _relayed;
        private Task _carried = Task.CompletedTask;

        public PipeDetach(ConnectionContext context, bool detaches)
        {
            _context = context;
            _real = context.Transport;
            _detaches = detaches;
            context.Transport = new Duplex(_toKestrel.Reader, _fromKestrel.Writer);
            _relayed = Task.WhenAll(InAsync(), OutAsync());
        }

        public void Expect()
        {
        }

        public void GiveUp()
        {
        }

        public bool TryDetach(WebSocketConnection connection)
        {
            if (!_detaches)
            {
                return false;
            }

            var started = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _carried = CarryAsync(connection, started);
            started.Task.GetAwaiter().GetResult();
            return true;
        }

        /// <summary>What Kestrel and the taker wrote is with the transport, which ends after this.</summary>
        public async Task FinishAsync()
        {
            await _fromKestrel.Writer.CompleteAsync();
            _real.Input.CancelPendingRead();
            await _relayed;
            await _carried;
        }

        private async Task CarryAsync(WebSocketConnection connection, TaskCompletionSource started)
        {
            // What Kestrel wrote (the 101) goes first; it was given no more than the request, so the rest is still to be read.
            await _fromKestrel.Writer.CompleteAsync();
            _real.Input.CancelPendingRead();
            await _relayed;
            Task carried = new PipeCarrier(_real.Input, _real.Output, connection, _context.Abort).RunAsync();
            started.SetResult();
            await carried;
        }

        private async Task InAsync()
        {
            try
            {
                while (true)
                {
                    ReadResult result = await _real.Input.ReadAsync();
                    if (result.IsCanceled)
                    {
                        // Detached: what has come since stays for the taker.
                        _real.Input.AdvanceTo(result.Buffer.Start);
                        return;
                    }

                    SequencePosition? requestEnd = RequestEnd(result.Buffer);
                    SequencePosition end = requestEnd ?? result.Buffer.End;
                    foreach (ReadOnlyMemory<byte> segment in result.Buffer.Slice(0, end))
                    {
                        await _toKestrel.Writer.WriteAsync(segment);
                    }

                    _real.Input.AdvanceTo(end);
                    if (requestEnd is not null)
                    {
                        return;
                    }

                    if (result.IsCompleted)
                    {
                        await _toKestrel.Writer.CompleteAsync();
                        return;
                    }
                }
            }
            catch (ConnectionResetException error)
            {
                await _toKestrel.Writer.CompleteAsync(error);
            }
        }

        // Where a transport that detaches must stop: what Kestrel has read behind the request is lost to the taker.
        private SequencePosition? RequestEnd(ReadOnlySequence<byte> buffer)
        {
            var reader = new SequenceReader<byte>(buffer);
            return _detaches && reader.TryReadTo(out ReadOnlySequence<byte> _, "\r\n\r\n"u8) ? reader.Position : null;
        }

        private async Task OutAsync()
        {
            while (true)
            {
                ReadResult result = await _fromKestrel.Reader.ReadAsync();
                foreach (ReadOnlyMemory<byte> segment in result.Buffer)
                {
                    await _real.Output.WriteAsync(segment);
                }

                _fromKestrel.Reader.AdvanceTo(result.Buffer.End);
                if (result.IsCompleted)
                {
                    return;
                }
            }
        }

        private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
    }
}
