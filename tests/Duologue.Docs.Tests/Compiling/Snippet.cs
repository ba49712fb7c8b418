using System.Globalization;
using System.Text.RegularExpressions;
using Duologue.Docs.Tests.Reading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Duologue.Docs.Tests.Compiling;

/// <summary>
/// A block of C# as a file that can be compiled. A block that names a namespace by <c>using</c>, or makes a <c>WebApplication</c>, is the beginning of a program: it is given the
/// implicit usings of a new project, and none else. Any other is a fragment: it is given what a reader has by then, and what an editor adds of itself.
/// </summary>
internal static partial class Snippet
{
    public static readonly CSharpParseOptions Options = new(LanguageVersion.Latest, DocumentationMode.None);

    // The implicit usings of Microsoft.NET.Sdk.
    private static readonly string[] OfPrograms =
        ["System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Net.Http", "System.Threading", "System.Threading.Tasks"];

    // What Microsoft.NET.Sdk.Web has beside them.
    private static readonly string[] OfServers =
    [
        "System.Net.Http.Json",
        "Microsoft.AspNetCore.Builder", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Http", "Microsoft.AspNetCore.Routing",
        "Microsoft.Extensions.Configuration", "Microsoft.Extensions.DependencyInjection", "Microsoft.Extensions.Hosting", "Microsoft.Extensions.Logging",
    ];

    private static readonly string[] OfFragments =
    [
        "Duologue", "Duologue.AspNetCore", "Duologue.EventLoop", "Duologue.Redis",
        "System.Diagnostics", "System.Net", "System.Net.Security", "System.Security.Cryptography.X509Certificates",
        "Microsoft.AspNetCore.Authentication.Cookies", "Microsoft.AspNetCore.HttpOverrides", "Microsoft.AspNetCore.Server.Kestrel.Core",
    ];

    /// <summary>Makes the file of a block.</summary>
    /// <param name="block">The block.</param>
    /// <param name="usings">The namespaces that earlier blocks of the same document name: they hold on for fragments. Those of this block are added.</param>
    /// <param name="number">Its number among all blocks.</param>
    public static SyntaxTree ToFile(Block block, ISet<string> usings, int number)
    {
        string code = Elision().Replace(block.Text, "${before};${after}");
        CompilationUnitSyntax unit = SyntaxFactory.ParseCompilationUnit(code, options: Options);
        int types = unit.Members.FirstOrDefault(member => member is not GlobalStatementSyntax)?.FullSpan.Start ?? code.Length;
        int statements = unit.Usings.FullSpan.IsEmpty ? 0 : unit.Usings.FullSpan.End;
        bool makesServer = code.Contains("WebApplication.CreateBuilder(", StringComparison.Ordinal);
        string body = code[statements..types];
        if (unit.ContainsDiagnostics && IsValue(code))
        {
            body = $"_ = {code}\n;";
        }

        string[] own = [.. unit.Usings.Select(directive => directive.Name!.ToString())];
        usings.UnionWith(own);
        bool isProgram = makesServer || own.Length > 0;
        bool isServer = makesServer || Server().IsMatch(code);
        string[] given = !isProgram ? [.. OfPrograms, .. OfServers, .. OfFragments, .. usings]
            : isServer ? [.. OfPrograms, .. OfServers, .. own]
            : [.. OfPrograms, .. own];
        string text = string.Create(CultureInfo.InvariantCulture, $$"""
            {{string.Concat(given.Distinct().Select(name => $"using {name};\n"))}}
            class Block{{number}} : global::Duologue.Docs.Tests.Compiling.Prelude
            {
                public async Task Run(string[] args)
                {
            #line {{LineAt(statements)}} "{{block.File}}"
            {{body}}
            #line hidden
                }
            #line {{LineAt(types)}} "{{block.File}}"
            {{code[types..]}}
            #line hidden
            }
            """);
        return CSharpSyntaxTree.ParseText(text, Options, path: $"{number}.cs");

        int LineAt(int position) => block.Line + code.AsSpan(0, position).Count('\n');
    }

    /// <summary>Whether it is a value alone, such as <c>ws.ReadyState</c>. A setting (<c>a = b</c>) is a statement, and wants its semicolon.</summary>
    private static bool IsValue(string code)
    {
        ExpressionSyntax expression = SyntaxFactory.ParseExpression(code, options: Options);
        return !expression.ContainsDiagnostics && expression is not AssignmentExpressionSyntax;
    }

    [GeneratedRegex(@"\b(builder|app)\.")]
    private static partial Regex Server();

    // A line of three dots stands for what a reader puts there.
    [GeneratedRegex(@"^(?<before>[ \t]*)(?:\.\.\.|…)(?<after>[ \t]*(?://.*)?)$", RegexOptions.Multiline)]
    private static partial Regex Elision();
}
