import SFTPLambdaCore

await FunctionMain.run(.push)
