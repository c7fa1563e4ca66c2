import SFTPLambdaCore

await FunctionMain.run(.pushRetry)
