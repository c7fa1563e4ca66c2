"""The process of a function, started as Lambda starts it."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys

MAXIMUM_LOG_BYTES = 64 * 1024 * 1024
READ_BYTES = 64 * 1024
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)


class Configuration:
    """What Lambda knows of a function, and how it is started here.

    `root` is a folder to chroot into (needs root); `task_root` and `command` are then paths inside it.
    """

    def __init__(
        self, task_root, command=None, root=None, function_name="function", memory_size=128, region="eu-central-1",
        handler="function.handler", environment=None, log_path=None,
    ):
        self.task_root = task_root if root else os.path.abspath(task_root)
        self.command = command or [os.path.join(self.task_root, "bootstrap")]
        self.root = root
        self.function_name = function_name
        self.memory_size = memory_size
        self.region = region
        self.handler = handler
        self.environment = dict(environment or {})
        self.log_path = log_path

    @property
    def arn(self):
        return f"arn:aws:lambda:{self.region}:123456789012:function:{self.function_name}"

    def process_environment(self, address):
        """The variables of "Using Lambda environment variables", Defined runtime environment variables.

        Nothing of this process's own environment gets in. Credentials come with `environment`.
        """
        root = self.task_root
        variables = {
            "AWS_LAMBDA_RUNTIME_API": address,
            "AWS_LAMBDA_FUNCTION_NAME": self.function_name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(self.memory_size),
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{self.function_name}",
            "AWS_LAMBDA_LOG_STREAM_NAME": "2018/06/01/[$LATEST]00000000000000000000000000000000",
            "AWS_REGION": self.region,
            "AWS_DEFAULT_REGION": self.region,
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "AWS_XRAY_DAEMON_ADDRESS": "169.254.79.129:2000",
            "LAMBDA_TASK_ROOT": root,
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LANG": "en_US.UTF-8",
            "LD_LIBRARY_PATH":
                f"/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{root}:{root}/lib:/opt/lib",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
            "TZ": ":UTC",
            "_HANDLER": self.handler,
        }
        return variables | self.environment


class Sandbox:
    """One process of the function. `on_exit` is called with its `subprocess` return code."""

    def __init__(self, configuration, address, on_exit):
        self.configuration = configuration
        self.on_exit = on_exit
        self.log = bytearray()
        self.log_start = 0  # How many bytes of the log have been dropped from its front.
        self.loop = asyncio.get_running_loop()
        output, process_output = os.pipe()
        os.set_blocking(output, False)
        try:
            self.process = subprocess.Popen(
                configuration.command, env=configuration.process_environment(address), stdin=subprocess.DEVNULL,
                stdout=process_output, stderr=process_output, start_new_session=True, preexec_fn=self.enter)
        except BaseException:
            os.close(output)
            raise
        finally:
            os.close(process_output)
        self.output = output
        self.exit = os.pidfd_open(self.process.pid)
        self.loop.add_reader(self.output, self.drain)
        self.loop.add_reader(self.exit, self.exited)

    def enter(self):
        # Lambda's sandbox does not outlive its host; neither must this one, however the emulator ends.
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if self.configuration.root:
            os.chroot(self.configuration.root)
        os.chdir(self.configuration.task_root)

    def write_log(self, data):
        self.log += data
        excess = len(self.log) - MAXIMUM_LOG_BYTES
        if excess > 0:
            del self.log[:excess]
            self.log_start += excess
        if self.configuration.log_path:
            with open(self.configuration.log_path, "ab") as file:
                file.write(data)
        else:
            sys.stderr.buffer.write(data)
            sys.stderr.buffer.flush()

    @property
    def log_position(self):
        return self.log_start + len(self.log)

    def log_since(self, position):
        return bytes(self.log[max(0, position - self.log_start):])

    def drain(self):
        """Takes what the function has logged until now."""
        while self.output is not None:
            try:
                data = os.read(self.output, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self.close_output()
                return
            self.write_log(data)

    def close_output(self):
        if self.output is not None:
            self.loop.remove_reader(self.output)
            os.close(self.output)
            self.output = None

    def peak_memory_bytes(self):
        """The most resident memory that the process ever had; None when it is gone."""
        try:
            with open(f"/proc/{self.process.pid}/status") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        return int(line.split()[1]) * 1024
        except OSError:
            pass
        return None

    def send(self, number):
        """Sends the process a signal; nothing once it has ended."""
        if self.exit is not None:
            signal.pidfd_send_signal(self.exit, number)

    def kill(self):
        """Ends it and everything that it started, as the end of a sandbox does; `on_exit` is not called any more."""
        self.on_exit = lambda _: None
        self.kill_group()
        self.exited()

    def kill_group(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def exited(self):
        if self.exit is None:
            return
        # The children go before the process is reaped: until then its process group id cannot be another's.
        self.kill_group()
        status = self.process.wait()
        self.loop.remove_reader(self.exit)
        os.close(self.exit)
        self.exit = None
        self.drain()
        self.close_output()
        self.on_exit(status)
