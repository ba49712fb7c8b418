using System.IO.Pipelines;
using Duologue.Carriers;
using Duologue.Protocol;
using Duologue.Protocol.Deflate;

namespace Duologue.Interop.Tests.Differential;

/// <summary>Duologue's peer on pipes.</summary>
internal static class DuologueReceiver
{
    public static async Task<Outcome> PlayAsync(StreamCase given, CancellationToken cancellationToken)
    {
        var toConnection = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var fromConnection = new Pipe(new PipeOptions(pauseWriterThreshold: 0));
        var recorder = new Recorder();
        var connection = new WebSocketConnection(new ConnectionSetup
        {
            Role = given.ToServer ? Role.Server : Role.Client,
            Options = new ConnectionOptions { MaxControlFramesPerSecond = 0, MaxSmallFragmentsPerSecond = 0, MaxFragments = 0 },
            Handler = recorder,
            Deflate = Agreement(given.Compression),
        });
        Task running = RunAsync(toConnection.Reader, fromConnection.Writer, connection);
        foreach (byte[] chunk in given.Chunks)
        {
            await toConnection.Writer.WriteAsync(chunk, cancellationToken);
        }

        await toConnection.Writer.CompleteAsync();
        var written = new MemoryStream();
        await fromConnection.Reader.CopyToAsync(written, cancellationToken);
        await fromConnection.Reader.CompleteAsync();
        await running.WaitAsync(cancellationToken);
        await recorder.Ended.WaitAsync(cancellationToken);
        return Outcome.Of(recorder.Messages, written.ToArray(), given.ToServer, connection.Closed.IsCompleted);
    }

    private static DeflateAgreement? Agreement(Takeover? takeover) => takeover is null ? null : new DeflateAgreement
    {
        SendsWithContext = false,
        SendWindowBits = 15,
        ReceivesWithContext = takeover == Takeover.On,
        ReceiveWindowBits = 15,
        Threshold = 0,
    };

    private static async Task RunAsync(PipeReader input, PipeWriter output, WebSocketConnection connection)
    {
        await new PipeCarrier(input, output, connection, null).RunAsync();
        await input.CompleteAsync();
    }

    private sealed class Recorder : IMessageHandler
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public List<string> Messages { get; } = [];

        public Task Ended => _ended.Task;

        public ValueTask OnOpenAsync(Connection connection) => default;

        public ValueTask OnMessageAsync(Connection connection, Message message)
        {
            Messages.Add(Outcome.Describe(message.Type == MessageType.Binary, message.Data.Span));
            return default;
        }

        public ValueTask OnCloseAsync(Connection connection, CloseInfo info)
        {
            _ended.SetResult();
            return default;
        }
    }
}
