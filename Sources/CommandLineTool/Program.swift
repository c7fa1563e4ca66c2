import Glibc
public import SFTPLambdaCore

/// The programs from their first line to their end: a Lambda function where Lambda has started them, else a tool of the
/// command line.
public enum Program {
    /// Runs the program of a function. Nothing of the command line is touched on Lambda.
    public static func run(_ function: LambdaFunction) async -> Never {
        let environment = FunctionMain.prepareProcess()
        guard !FunctionMain.isOnLambda(environment) else { await FunctionMain.serve(function, environment) }
        let tool = Tool(function: function, environment: environment)
        exit(await tool.run(ProcessArguments.all).rawValue)
    }
}
