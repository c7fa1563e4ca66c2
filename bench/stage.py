"""Where a measurement takes place: the partner's server at the far end of the link, and a lean S3 and SQS beside the peer."""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "local"))

from standins import StandIn  # noqa: E402

BUCKET = "bucket"
QUEUE = "retry"
MEMORY_FOLDER = pathlib.Path("/dev/shm")
MEMORY_FOLDER_NEEDS_BYTES = 6 << 30


@contextlib.contextmanager
def work_folder():
    """A folder for one measurement: in memory where there is room, so that no disk is measured."""
    parent = None
    if MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free >= MEMORY_FOLDER_NEEDS_BYTES:
        parent = MEMORY_FOLDER
    with tempfile.TemporaryDirectory(prefix="sftp-lambda-bench-", dir=parent) as folder:
        yield pathlib.Path(folder)


class Stage:
    """The partner's server over `work`/tree, and S3 and SQS."""

    def __init__(self, work, keeps_objects):
        self.work = work
        self.tree = work / "tree"
        self.tree.mkdir(exist_ok=True)
        self.s3_options = ["--keep"] if keeps_objects else []

    def __enter__(self):
        prefix, address = far_side()
        with contextlib.ExitStack() as started:
            self.sshd = started.enter_context(
                StandIn("sshd", "--root", self.tree, "--address", address, log=self.work / "sshd.log", prefix=prefix))
            self.s3 = started.enter_context(StandIn("lean_s3.py", *self.s3_options, log=self.work / "s3.log"))
            self.started = started.pop_all()
        self.known_hosts = self.work / "known_hosts"
        self.known_hosts.write_text(f"[{self.sshd['host']}]:{self.sshd['port']} {self.sshd['hostKey']}\n")
        return self

    def __exit__(self, *_):
        self.started.close()

    @property
    def endpoint(self):
        return self.s3["endpoint"]

    @property
    def queue_url(self):
        return f"{self.endpoint}/000000000000/{QUEUE}"

    def aws_variables(self):
        return {"AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench",
                "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}

    def put(self, key, path):
        """Stores a file as an object."""
        with open(path, "rb") as body:
            length = str(path.stat().st_size)
            request = urllib.request.Request(
                f"{self.endpoint}/{BUCKET}/{key}", data=body, method="PUT", headers={"Content-Length": length})
            urllib.request.urlopen(request).close()

    def objects(self):
        """What the bucket holds, as local/lean_s3.py tells it: by key."""
        with urllib.request.urlopen(f"{self.endpoint}/_objects") as answer:
            return {entry["key"]: entry for entry in json.load(answer) if entry["bucket"] == BUCKET}

    def queue(self, action, **parameters):
        """One request to the queue."""
        request = urllib.request.Request(
            self.endpoint, data=json.dumps({"QueueUrl": self.queue_url, **parameters}).encode(), method="POST",
            headers={"X-Amz-Target": f"AmazonSQS.{action}", "Content-Type": "application/x-amz-json-1.0"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def count_connections(self):
        return (self.work / "sshd.log").read_text(errors="replace").count("Accepted publickey")


def far_side():
    """How a program is started at the far end of the link, and its address there; here when there is no link."""
    if "LINK_FAR_PID" not in os.environ:
        return [], "127.0.0.1"
    return ["nsenter", f"--net=/proc/{os.environ['LINK_FAR_PID']}/ns/net"], os.environ["LINK_FAR_ADDRESS"]


def link_command(round_trip_milliseconds):
    """What to put before a command that is to run on the near side of a link; nothing for a round trip of 0."""
    if not round_trip_milliseconds:
        return []
    return [sys.executable, str(ROOT / "bench" / "link.py"), "--rtt-ms", str(round_trip_milliseconds), "--"]


def can_link():
    """Whether this machine lets us make a link; if not, why not."""
    attempt = subprocess.run([*link_command(1), "true"], capture_output=True, text=True)
    return (attempt.returncode == 0, attempt.stderr.strip().replace("\n", "; "))
