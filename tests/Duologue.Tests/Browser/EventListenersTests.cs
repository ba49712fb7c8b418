using Duologue.Browser;

namespace Duologue.Tests.Browser;

public class EventListenersTests
{
    private readonly EventListeners _listeners = new();
    private readonly List<string> _calls = [];
    private readonly List<Exception> _reported = [];

    [Fact]
    public void Listeners_are_called_in_order_of_registration()
    {
        Add("1");
        Add("2");
        Add("3");

        Fire();

        Assert.Equal(["1", "2", "3"], _calls);
    }

    [Fact]
    public void The_same_listener_twice_counts_once()
    {
        Action<Event> first = Add("1");
        Add("2");
        _listeners.Add("open", first, once: false);
        _listeners.Add("open", Twice, once: false);
        _listeners.Add("open", Twice, once: false);

        Fire();

        Assert.Equal(["1", "2", "twice"], _calls);

        void Twice(Event e) => _calls.Add("twice");
    }

    [Fact]
    public void The_same_listener_for_two_types_counts_for_each()
    {
        Action<Event> listener = Add("1");
        _listeners.Add("close", listener, once: false);

        Fire();
        _listeners.Remove("open", listener);
        Fire();
        _listeners.Dispatch(new CloseEvent(null!, 1000, "", true), _reported.Add);

        Assert.Equal(["1", "1"], _calls);
    }

    [Fact]
    public void A_handler_takes_its_place_by_its_first_setting()
    {
        Add("1");
        _listeners.SetHandler("open", Named("handler"));
        Add("2");
        _listeners.SetHandler("open", Named("another"));

        Fire();

        Assert.Equal(["1", "another", "2"], _calls);
    }

    [Fact]
    public void A_handler_set_to_null_is_gone_and_comes_back_last()
    {
        _listeners.SetHandler("open", Named("handler"));
        Add("1");
        _listeners.SetHandler("open", null);
        Assert.Null(_listeners.GetHandler("open"));
        Fire();
        _listeners.SetHandler("open", Named("again"));
        Fire();

        Assert.Equal(["1", "1", "again"], _calls);
    }

    [Fact]
    public void A_handler_and_the_same_delegate_as_listener_are_two()
    {
        Action<Event> both = Named("both");
        _listeners.SetHandler("open", both);
        _listeners.Add("open", both, once: false);
        Fire();
        _listeners.Remove("open", both);
        Fire();

        Assert.Equal(["both", "both", "both"], _calls);
        Assert.Same(both, _listeners.GetHandler("open"));
    }

    [Fact]
    public void A_once_listener_is_removed_before_its_call()
    {
        _listeners.Add("open", (Action<Event>)Once, once: true);
        Fire();
        Fire();

        Assert.Equal(["once", "once"], _calls);

        void Once(Event e)
        {
            _calls.Add("once");
            if (_calls.Count == 1)
            {
                _listeners.Add("open", (Action<Event>)Once, once: true);
            }
        }
    }

    [Fact]
    public void An_exception_is_reported_and_the_others_still_run()
    {
        var boom = new InvalidOperationException("boom");
        Add("1");
        _listeners.Add("open", (Action<Event>)(_ => throw boom), once: false);
        Add("2");

        Fire();

        Assert.Equal(["1", "2"], _calls);
        Assert.Equal([boom], _reported);
    }

    [Fact]
    public void One_removed_during_the_event_is_not_called_and_one_added_waits_for_the_next()
    {
        Action<Event> removed = Named("removed");
        _listeners.Add("open", (Action<Event>)(_ => _listeners.Remove("open", removed)), once: false);
        _listeners.Add("open", (Action<Event>)(_ => Add("added")), once: true);
        _listeners.Add("open", removed, once: false);

        Fire();
        Assert.Empty(_calls);
        Fire();
        Assert.Equal(["added"], _calls);
    }

    private Action<Event> Named(string name) => _ => _calls.Add(name);

    private Action<Event> Add(string name)
    {
        Action<Event> listener = Named(name);
        _listeners.Add("open", listener, once: false);
        return listener;
    }

    private void Fire() => _listeners.Dispatch(new Event("open", null!), _reported.Add);
}
