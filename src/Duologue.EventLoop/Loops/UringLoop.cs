namespace Duologue.EventLoop.Loops;
internal static class UringLoop { public static string? FindObstacle() => "not built"; }
