"""Peers that are Lambda functions: each is a process under the Runtime API emulator, as on Lambda."""

import contextlib
import pathlib

from stage import BUCKET, ROOT
from runtime_api import RuntimeAPI
from runtime_api_emulator.sandbox import Configuration
from standins import unpack

MEMORY_MB = 512  # what serverless.yml gives pull
TIMEOUT_SECONDS = 900  # Lambda's longest
PEER_PYTHON = ROOT / ".deps" / "bench-venv" / "bin" / "python3"
SOURCE, TARGET = "in", "out"  # on the server


class FunctionRun:
    """One process of a function."""

    def __init__(self, api, log_path):
        self.api = api
        self.log_path = log_path

    def process(self):
        sandbox = self.api.engine.sandbox
        return sandbox.process.pid if sandbox else None

    def perform(self, event):
        """Seconds from when the function fetched the invocation until it had answered it."""
        result = self.api.invoke(event, timeout_seconds=TIMEOUT_SECONDS)
        if result.function_error:
            raise RuntimeError(f"the function failed: {result.payload}\n{self.log_path.read_text()[-4000:]}")
        return result.seconds

    def start_seconds(self):
        """From the start of the process to its first request for an invocation, once it has been invoked."""
        return self.api.engine.init_seconds


class Function:
    """What the functions have in common: an invocation for each object, and the settings."""

    is_function = True
    takes_one_object_at_a_time = True
    flows = ("pull", "push", "pushRetry")

    def __init__(self, name, title):
        self.name, self.title = name, title

    @contextlib.contextmanager
    def started(self, stage, task):
        """A process of the function; Lambda's emulator starts it when it is first invoked."""
        task_root, command = self.program(stage, task)
        log_path = stage.work / "function.log"
        configuration = Configuration(
            task_root=str(task_root), command=command, handler=task.flow, memory_size=MEMORY_MB,
            environment={**self.settings(stage, task), **stage.aws_variables(), **task.settings}, log_path=str(log_path))
        with RuntimeAPI(configuration) as api:
            yield FunctionRun(api, log_path)

    def settings(self, stage, task):
        own = {
            "pull": {"SFTP_SOURCE_DIR": SOURCE, "SFTP_TARGET_S3_BUCKET": BUCKET},
            "push": {"SFTP_TARGET_DIR": TARGET, "SFTP_RETRY_QUEUE_NAME": stage.queue_url},
        }
        own["pushRetry"] = own["push"]
        return {
            "SFTP_HOST": stage.sshd["host"], "SFTP_PORT": stage.sshd["port"], "SFTP_USER": stage.sshd["user"],
            "SFTP_PRIVATE_KEY": pathlib.Path(stage.sshd["privateKey"]).read_text(),
            "SFTP_HOST_KEY": stage.sshd["hostKey"], **own[task.flow],
        }


class Ours(Function):
    def program(self, stage, task):
        folder = stage.work / "task"
        if not folder.exists():
            unpack(ROOT / "dist" / f"{task.flow}.zip", folder)
        return folder, None


class PythonFunction(Function):
    def program(self, stage, task):
        folder = pathlib.Path(__file__).parent
        return folder, [str(PEER_PYTHON), str(folder / f"{self.name}_function.py")]
