import CommandLineTool
import SFTPLambdaCore

await Program.run(.push)
