import CommandLineTool
import SFTPLambdaCore

await Program.run(.pushRetry)
