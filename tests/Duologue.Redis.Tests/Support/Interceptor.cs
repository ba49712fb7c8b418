using System.Diagnostics.CodeAnalysis;
using System.Reflection;
using StackExchange.Redis;

namespace Duologue.Redis.Tests.Support;

/// <summary>An interface of the client library's as it is, but for the calls that a test answers by itself.</summary>
[SuppressMessage("Performance", "CA1852", Justification = "The proxy that is made at run time derives from it.")]
internal class Interceptor : DispatchProxy
{
    private object _inner = null!;
    private Func<MethodInfo, object?[], object?> _answer = null!;

    /// <param name="inner">What answers the other calls.</param>
    /// <param name="answer">Null for a call that it leaves to that.</param>
    public static T Create<T>(T inner, Func<MethodInfo, object?[], object?> answer)
        where T : class
    {
        T proxy = Create<T, Interceptor>();
        var interceptor = (Interceptor)(object)proxy;
        (interceptor._inner, interceptor._answer) = (inner, answer);
        return proxy;
    }

    /// <summary>A connection whose databases answer some calls so.</summary>
    public static IConnectionMultiplexer Connection(IConnectionMultiplexer inner, Func<MethodInfo, object?[], object?> connection, Func<MethodInfo, object?[], object?> database) =>
        Create(inner, (method, arguments) => connection(method, arguments) ?? (method.Name == nameof(IConnectionMultiplexer.GetDatabase) ? Create(inner.GetDatabase(), database) : null));

    protected override object? Invoke(MethodInfo? targetMethod, object?[]? args) =>
        _answer(targetMethod!, args ?? []) ?? targetMethod!.Invoke(_inner, BindingFlags.DoNotWrapExceptions, null, args, null);
}
