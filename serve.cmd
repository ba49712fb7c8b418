@echo off
rem Builds and runs the live server and page. Arguments are those of `duologue serve`; see serve --help.
setlocal
where dotnet >nul 2>nul || (echo serve: needs the .NET 10 SDK, https://dotnet.microsoft.com/download/dotnet/10.0 1>&2 & exit /b 1)
set DOTNET_NOLOGO=1
set DOTNET_CLI_TELEMETRY_OPTOUT=1
echo Building Duologue ... 1>&2
pushd "%~dp0"
dotnet build src\Duologue.Cli --configuration Release --verbosity quiet --nologo -clp:ErrorsOnly 1>&2 || (popd & exit /b 1)
popd
dotnet "%~dp0artifacts\bin\Duologue.Cli\release\Duologue.Cli.dll" serve %*
