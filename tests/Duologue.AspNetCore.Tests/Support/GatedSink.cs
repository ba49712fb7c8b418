namespace Duologue.AspNetCore.Tests.Support;

/// <summary>Takes the first page when it is let.</summary>
internal sealed class GatedSink() : MemberSink(MemberForm.Protocol)
{
    private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _gate = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task Reached => _reached.Task;

    public List<string> Sent { get; } = [];

    public void Open(Exception? error)
    {
        if (error is null)
        {
            _gate.SetResult();
        }
        else
        {
            _gate.SetException(error);
        }
    }

    public override async ValueTask SendAsync(TopicPage page, bool isFirst, CancellationToken cancellationToken)
    {
        _reached.TrySetResult();
        await _gate.Task.WaitAsync(cancellationToken);
        Sent.AddRange(page.Messages.Select(message => message.Text));
    }
}
