import CommandLineTool
import SFTPLambdaCore

await Program.run(.pull)
