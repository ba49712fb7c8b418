using BenchmarkDotNet.Running;
using Duologue.Benchmarks;

if (args is ["levels"])
{
    CompressionLevels.Run();
    return;
}

BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args);
