"""What both acts of the demo use: the servers, the functions out of their zips, and what is shown on the screen."""

import json
import pathlib
import sys
import time

import boto3

from runtime_api import RuntimeAPI
from runtime_api_emulator.sandbox import Configuration
from standins import ROOT, StandIn, unpack

TIMEOUT_SECONDS = 60
SHOWN_SECRETS = {"SFTP_PRIVATE_KEY", "AWS_SECRET_ACCESS_KEY"}

BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "", "")
)


def title(text):
    print(f"\n{BOLD}{text}{PLAIN}")


class Stage:
    """A partner's server, and an account at AWS with buckets and a queue."""

    def __init__(self, work, buckets, queue):
        self.work = work
        self.partner = work / "partner"
        self.partner.mkdir()
        self.keys = work / "keys"
        self.keys.mkdir()
        self.queue = queue
        arguments = [argument for bucket in buckets for argument in ("--versioned-bucket", bucket)]
        self.aws = StandIn("aws.py", *arguments, "--queue", queue, log=work / "aws.log")
        self.sshd = None
        self.port = 0
        self.start_server()
        login = {
            "endpoint_url": self.aws["endpoint"], "region_name": self.aws["region"],
            "aws_access_key_id": self.aws["accessKeyID"], "aws_secret_access_key": self.aws["secretAccessKey"],
        }
        self.s3 = boto3.client("s3", **login)
        self.sqs = boto3.client("sqs", **login)
        self.queue_url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]

    def start_server(self):
        """Starts the partner's server: always on the same port and with the same keys."""
        self.sshd = StandIn(
            "sshd", "--root", self.partner, "--port", self.port, "--key-cache", self.keys, log=self.work / "sshd.log")
        self.port = int(self.sshd["port"])

    def stop_server(self):
        self.sshd.stop()
        self.sshd = None

    def stop(self):
        if self.sshd:
            self.stop_server()
        self.aws.stop()

    def settings(self, **own):
        """The environment of a function: the server, the account, and its own settings."""
        return {
            "SFTP_HOST": self.sshd["host"],
            "SFTP_PORT": self.sshd["port"],
            "SFTP_USER": self.sshd["user"],
            "SFTP_PRIVATE_KEY": pathlib.Path(self.sshd["privateKey"]).read_text(),
            "SFTP_HOST_KEY": self.sshd["hostKey"],
            **own,
            "AWS_ENDPOINT_URL": self.aws["endpoint"],
            "AWS_ACCESS_KEY_ID": self.aws["accessKeyID"],
            "AWS_SECRET_ACCESS_KEY": self.aws["secretAccessKey"],
        }

    def function(self, name, settings):
        """A function out of its zip, to be used in `with`."""
        unpack(ROOT / "dist" / f"{name}.zip", self.work / name)
        return RuntimeAPI(
            Configuration(
                task_root=str(self.work / name), function_name=f"demo-{name}", memory_size=128,
                region=self.aws["region"], environment=settings, log_path=str(self.work / f"{name}.log")))

    # What is shown.

    def show_server(self, folder):
        folder = self.partner / folder
        count = 0
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder.parent)
            if path.is_symlink():
                print(f"  {'link':>10}  {name}")
            elif path.is_file():
                print(f"  {path.stat().st_size:>10,}  {name}")
            count += not path.is_dir()
        if count == 0:
            print("  (empty)")

    def show_bucket(self, bucket, with_marks=False):
        objects = self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])
        for entry in objects:
            mark = ""
            if with_marks:
                metadata = self.s3.head_object(Bucket=bucket, Key=entry["Key"])["Metadata"]
                mark = f"  {DIM}synced {metadata['synced-at']}{PLAIN}" if metadata.get("synced") else "  not synced"
            print(f"  {entry['Size']:>10,}  s3://{bucket}/{entry['Key']}{mark}")
        if not objects:
            print("  (empty)")

    def queued(self):
        """How many messages are on the retry queue, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        return sum(int(value) for value in answer["Attributes"].values())

    def show_queue(self):
        print(f"  {self.queued():>10,}  messages on {self.queue}")


def show_settings(settings):
    for name, value in settings.items():
        print(f"  {name}={'…' if name in SHOWN_SECRETS else value}")


def show_log(log):
    """The function's own lines, shortened for the screen."""
    text = log.decode(errors="replace") if isinstance(log, bytes) else log
    for line in text.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "_aws" in entry:
            continue
        fields = {name: value for name, value in entry.items() if name not in ("timestamp", "logger", "requestId")}
        level, message = fields.pop("level"), fields.pop("message")
        shown = " ".join(f"{name}={str(value)[:80]}" for name, value in fields.items())
        print(f"  {level:5} {message}  {DIM}{shown}{PLAIN}")


def invoke(function, event=b"{}"):
    """Invokes, shows what the function logs and answers, and returns the result."""
    start = time.monotonic()
    result = function.invoke(event, timeout_seconds=TIMEOUT_SECONDS)
    seconds = time.monotonic() - start
    show_log(result.log)
    print(f"  answered after {seconds:.2f} s: {result.payload.decode(errors='replace')}")
    return result
