import SFTPLambdaCore

print("not built yet")
