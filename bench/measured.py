"""What the measurements of one function have in common: the function as Lambda starts it, what it uses, and the far end
of the link."""

import contextlib
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "local"))

from runtime_api import RuntimeAPI  # noqa: E402
from runtime_api_emulator.sandbox import Configuration  # noqa: E402
from standins import StandIn, unpack  # noqa: E402

TIMEOUT_SECONDS = 600
PIECE_BYTES = 1 << 20


def write_random(path, size, generator, digest):
    """A file of random bytes, which also go through the digest."""
    with open(path, "wb") as file:
        left = size
        while left:
            piece = generator.randbytes(min(left, PIECE_BYTES))
            file.write(piece)
            digest.update(piece)
            left -= len(piece)


class Stage:
    """The partner's server over `work`/tree, at the far end, and a lean S3."""

    def __init__(self, work, *s3_options):
        self.work = work
        self.s3_options = s3_options

    def __enter__(self):
        prefix, address = far_side()
        with contextlib.ExitStack() as started:
            self.sshd = started.enter_context(
                StandIn(
                    "sshd", "--root", self.work / "tree", "--address", address, log=self.work / "sshd.log",
                    prefix=prefix))
            self.s3 = started.enter_context(StandIn("lean_s3.py", *self.s3_options, log=self.work / "s3.log"))
            self.started = started.pop_all()
        return self

    def __exit__(self, *_):
        self.started.close()

    def function(self, options, **settings):
        """The function as Lambda starts it, with the settings of this stage and these."""
        task_root, command = program(options.function, self.work)
        environment = {
            "SFTP_HOST": self.sshd["host"], "SFTP_PORT": self.sshd["port"], "SFTP_USER": self.sshd["user"],
            "SFTP_PRIVATE_KEY": pathlib.Path(self.sshd["privateKey"]).read_text(),
            "SFTP_HOST_KEY": self.sshd["hostKey"], "AWS_ENDPOINT_URL": self.s3["endpoint"],
            "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", **settings,
        }
        return RuntimeAPI(
            Configuration(
                task_root=task_root, command=command, environment=environment,
                log_path=str(self.work / "function.log"), memory_size=options.memory_mb))

    def function_log(self):
        return (self.work / "function.log").read_text()

    def count_connections(self):
        return len(re.findall(r"Accepted publickey", (self.work / "sshd.log").read_text()))


def program(function, work):
    """The command that Lambda would start: the bootstrap of a zip, or a bare program."""
    if not function.suffix == ".zip":
        return str(work), [str(function.resolve())]
    unpack(function, work / "task")
    return str(work / "task"), None


def resources():
    """CPU seconds and peak resident memory of the function: the child of this process that is neither stand-in."""
    mine = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == os.getpid() and b"AWS_LAMBDA_RUNTIME_API=" in environment:
            mine.append((entry, fields))
    assert len(mine) == 1, f"one function should run, not {len(mine)}"
    entry, fields = mine[0]
    ticks = os.sysconf("SC_CLK_TCK")
    peak = re.search(r"VmHWM:\s+(\d+) kB", (entry / "status").read_text()).group(1)
    return {
        "cpuSeconds": round((int(fields[11]) + int(fields[12])) / ticks, 2), "peakResidentMiB": round(int(peak) / 1024, 1),
    }


def round_trip_milliseconds():
    return float(os.environ.get("LINK_RTT_MS", 0))


def far_side():
    """How a program is started at the far end of the link, and its address there; here when there is no link."""
    if "LINK_FAR_PID" not in os.environ:
        return [], "127.0.0.1"
    return ["nsenter", f"--net=/proc/{os.environ['LINK_FAR_PID']}/ns/net"], os.environ["LINK_FAR_ADDRESS"]


def enter_link(round_trip_milliseconds):
    """Runs this very program once more, on the near side of a link, unless it is there already."""
    if round_trip_milliseconds is not None and "LINK_FAR_PID" not in os.environ:
        link = [sys.executable, str(ROOT / "bench" / "link.py"), "--rtt-ms", str(round_trip_milliseconds), "--"]
        sys.exit(subprocess.run([*link, sys.executable, *sys.argv]).returncode)
