"""Peers that are commands: each run is one process, which does the whole work. Its start is part of its time."""

import contextlib
import os
import subprocess
import time

from stage import BUCKET, ROOT

from .functions import SOURCE, TARGET

RCLONE = ROOT / ".deps" / "bench-venv" / "bin" / "rclone"
FEW_FILES = 200
LARGE_BYTES = 64 * 1024 * 1024
COMMAND_LIMIT_SECONDS = 900


class CommandRun:
    def __init__(self, command, environment, log_path):
        self.command, self.environment, self.log_path = command, environment, log_path
        self.running = None

    def process(self):
        return self.running.pid if self.running else None

    def perform(self, event):
        """Seconds from the start of the command to its end."""
        with open(self.log_path, "ab") as log:
            start = time.monotonic()
            self.running = subprocess.Popen(
                self.command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            try:
                status = self.running.wait(COMMAND_LIMIT_SECONDS)
            except BaseException:
                self.running.kill()
                self.running.wait()
                raise
            seconds = time.monotonic() - start
        self.running = None
        if status != 0:
            raise RuntimeError(f"{self.command[0]} ended with {status}\n{self.log_path.read_text()[-4000:]}")
        return seconds

    def start_seconds(self):
        """Part of what `perform` tells."""
        return 0.0


class Command:
    is_function = False
    takes_one_object_at_a_time = False
    flows = ("pull", "push")

    def __init__(self, name, title):
        self.name, self.title = name, title

    @contextlib.contextmanager
    def started(self, stage, task):
        command, environment = self.command(stage, task)
        yield CommandRun(command, environment, stage.work / f"{self.name}.log")


class Rclone(Command):
    """rclone with the options that made it fastest here; docs/performance.md says which and why."""

    def command(self, stage, task):
        server, bucket = f"partner:{SOURCE if task.flow == 'pull' else TARGET}", f"store:{BUCKET}"
        ends = (server, bucket) if task.flow == "pull" else (bucket, server)
        if task.one_key:
            ends = [f"{end}/{task.one_key}" for end in ends]
        verb = "copyto" if task.one_key else "copy"
        environment = {
            "RCLONE_CONFIG_PARTNER_TYPE": "sftp", "RCLONE_CONFIG_PARTNER_HOST": stage.sshd["host"],
            "RCLONE_CONFIG_PARTNER_PORT": stage.sshd["port"], "RCLONE_CONFIG_PARTNER_USER": stage.sshd["user"],
            "RCLONE_CONFIG_PARTNER_KEY_FILE": stage.sshd["privateKey"],
            "RCLONE_CONFIG_PARTNER_KNOWN_HOSTS_FILE": str(stage.known_hosts),
            "RCLONE_CONFIG_STORE_TYPE": "s3", "RCLONE_CONFIG_STORE_PROVIDER": "Other",
            "RCLONE_CONFIG_STORE_ENDPOINT": stage.endpoint, "RCLONE_CONFIG_STORE_ENV_AUTH": "true",
            "RCLONE_CONFIG": os.devnull, "HOME": str(stage.work), **stage.aws_variables(),
        }
        return [str(RCLONE), verb, *ends, *self.common(), *self.sized(task)], environment

    def common(self):
        # No look at what is there already, no hash that the server could not give, no shell to ask for one.
        return [
            "--no-traverse", "--no-check-dest", "--s3-no-check-bucket", "--s3-no-head", "--s3-list-version", "2",
            "--sftp-disable-hashcheck", "--sftp-shell-type", "none", "--sftp-set-modtime=false",
            "--sftp-ciphers", "aes128-gcm@openssh.com", "--log-level", "NOTICE", "--stats", "0",
        ]

    def sized(self, task):
        if task.size < LARGE_BYTES:
            # Each transfer has a connection of its own, and they are opened one after the other.
            far = "16" if task.count <= FEW_FILES else "32"
            return ["--transfers", far if task.round_trip_milliseconds else "4"]
        return [
            "--sftp-concurrency", "128", "--sftp-chunk-size", "255k", "--multi-thread-streams", "0",
            "--s3-upload-concurrency", "4", "--s3-chunk-size", "16M",
        ]


class OpenSSH(Command):
    """The floor: the same bytes over the same protocol, to and from this machine's own files. No S3 takes part."""

    def command(self, stage, task):
        local = stage.work / "local"
        local.mkdir(exist_ok=True)
        work = [f"get -r {SOURCE}/. {local}/pulled"] if task.flow == "pull" else [f"put {local}/* {TARGET}/"]
        batch = stage.work / "batch"
        batch.write_text("\n".join(work) + "\n")
        options = [
            "-q", "-b", str(batch), "-P", stage.sshd["port"], "-i", stage.sshd["privateKey"], "-F", os.devnull,
            "-o", f"UserKnownHostsFile={stage.known_hosts}", "-o", "IdentitiesOnly=yes",
            "-c", "aes128-gcm@openssh.com", "-R", "256",
        ]
        environment = {"PATH": os.environ["PATH"], "HOME": str(stage.work)}
        return ["sftp", *options, f"{stage.sshd['user']}@{stage.sshd['host']}"], environment
