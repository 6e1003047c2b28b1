// The real parser and engine of PowerShell for tests, built by the .NET SDK from one package.
//   parse                          reads JSON on standard input, [{"name", "text"}], and prints what is wrong with each: errors of the
//                                  parser, and syntax that Windows PowerShell 5.1 does not have yet
//   … -File <path> <arguments>     runs a script as pwsh does, without pwsh's modules: only what the engine itself brings
//   … -Command <text>              likewise
#:package System.Management.Automation@7.6.9
#:property PublishAot=false
using System.Globalization;
using System.Management.Automation;
using System.Management.Automation.Host;
using System.Management.Automation.Language;
using System.Management.Automation.Runspaces;
using System.Text.Json;

if (args is ["parse"]) return Parse(Console.In.ReadToEnd());
return Run(args);

static int Parse(string json)
{
    TokenKind[] newer =
    [
        TokenKind.QuestionQuestion, TokenKind.QuestionQuestionEquals, TokenKind.QuestionDot, TokenKind.QuestionLBracket,
        TokenKind.QuestionMark, TokenKind.AndAnd, TokenKind.OrOr, TokenKind.Clean,
    ];
    var problems = 0;
    foreach (var script in JsonDocument.Parse(json).RootElement.EnumerateArray())
    {
        Parser.ParseInput(script.GetProperty("text").GetString(), out var tokens, out var errors);
        var found = errors.Select(error => (error.Extent, error.Message))
            .Concat(tokens.Where(token => newer.Contains(token.Kind)).Select(token => (token.Extent, $"'{token.Text}' is newer than 5.1.")));
        foreach (var (extent, message) in found)
        {
            problems++;
            Console.WriteLine($"{script.GetProperty("name").GetString()}, line {extent.StartLineNumber}: {message}");
        }
    }
    return problems == 0 ? 0 : 1;
}

static int Run(string[] args)
{
    var text = "";
    for (var i = 0; i < args.Length; i++)
    {
        if (args[i] == "-Command") text = string.Join(' ', args[(i + 1)..]);
        if (args[i] == "-File") text = $"& '{args[i + 1].Replace("'", "''")}' {string.Join(' ', args[(i + 2)..].Select(one => $"'{one.Replace("'", "''")}'"))}";
        if (text != "") break;
    }
    var host = new PlainHost();
    using var runspace = RunspaceFactory.CreateRunspace(host, InitialSessionState.CreateDefault2());
    runspace.Open();
    runspace.SessionStateProxy.Path.SetLocation(Environment.CurrentDirectory);
    using var shell = PowerShell.Create(runspace);
    var output = new PSDataCollection<PSObject>();
    output.DataAdded += (_, added) => Console.Out.WriteLine(output[added.Index]?.ToString());
    shell.Streams.Error.DataAdded += (_, added) => Console.Error.WriteLine(shell.Streams.Error[added.Index].ToString());
    try
    {
        shell.AddScript(text).Invoke(null, output);
        return host.ExitCode ?? 0;
    }
    catch (RuntimeException error)
    {
        Console.Error.WriteLine(error.ErrorRecord.ToString());
        return host.ExitCode ?? 1;
    }
}

sealed class PlainHost : PSHost
{
    public int? ExitCode { get; private set; }
    public override CultureInfo CurrentCulture => CultureInfo.InvariantCulture;
    public override CultureInfo CurrentUICulture => CultureInfo.InvariantCulture;
    public override Guid InstanceId { get; } = Guid.NewGuid();
    public override string Name => "plain";
    public override PSHostUserInterface? UI => null;
    public override Version Version => new(1, 0);
    public override void EnterNestedPrompt() => throw new NotSupportedException();
    public override void ExitNestedPrompt() => throw new NotSupportedException();
    public override void NotifyBeginApplication() { }
    public override void NotifyEndApplication() { }
    public override void SetShouldExit(int exitCode) => ExitCode = exitCode;
}
