import SFTPLambdaCore

await FunctionMain.run(.pull)
