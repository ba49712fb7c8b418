@echo off
rem Builds everything, brings in what the tests need, runs them all; the last line is "N passed, N failed".
rem   test                                            everything
rem   test Duologue.Tests --filter-class "*Utf8*"     one project; options go to the test runner
setlocal
where dotnet >nul 2>nul || (echo test: needs the .NET 10 SDK, https://dotnet.microsoft.com/download/dotnet/10.0 1>&2 & exit /b 1)
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
cd /d "%~dp0"
dotnet run --file eng\test.cs -- %*
