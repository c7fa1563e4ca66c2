"""What `make bench` and `make bench-quick` measure: which tasks, at which round trips, by which peers."""

import dataclasses
import math

from works import GIB, KIB, MIB

FUNCTIONS = ("ours", "asyncssh", "paramiko")
ALL = ("ours", "rclone", "asyncssh", "paramiko", "sftp")


@dataclasses.dataclass(frozen=True)
class Case:
    """One task for several peers. `reduced` gives a slow peer fewer files, or smaller ones: (count, size). `turns`
    is how often each peer has its turn where others have one: where a turn is short, one says little."""

    name: str
    task: str
    count: int
    size: int
    round_trips: tuple = (0,)
    peers: tuple = ALL
    directories: int = 1
    reduced: dict = dataclasses.field(default_factory=dict)
    turns: int = 1

    @property
    def title(self):
        files = f"{self.count:,} x {sized(self.size)}" if self.count > 1 else sized(self.size)
        folders = f", {self.directories} directories" if self.directories > 1 else ""
        return {
            "pull": f"pull {files}{folders}", "push": f"push {files}", "retry": f"pushRetry of {self.count} objects",
            "small-push": f"one {sized(self.size)} push, new connection", "start": "start to the first `next`",
            "listing": f"{self.count:,} files listed",
        }[self.task]

    def amount(self, peer, shrink=1):
        """(count, size) for this peer; `shrink` makes all of it smaller, to try the benchmark itself."""
        count, size = self.reduced.get(peer, (self.count, self.size))
        return max(1, count // shrink), size if size < MIB else max(MIB, size // shrink)

    def share(self, count, size):
        """How much of the whole task so many files of that size are, where time grows with files or bytes."""
        if self.task in ("small-push", "start", "listing"):
            return 1.0
        return count / self.count if size == self.size else count * size / (self.count * self.size)


def sized(size):
    unit, name = next((unit, name) for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if size >= unit)
    return f"{math.floor(size / unit)} {name}"


# One file after the other, or one connection after the other: minutes for all of it.
FEWER = {"paramiko": (40, 10 * KIB), "sftp": (40, 10 * KIB)}
SMALLER = {"paramiko": (1, 256 * MIB)}

# Those that the targets are about stand first: the results are written after each row.
CASES = [
    Case("start", "start", 10, KIB, peers=FUNCTIONS),
    Case("small-push", "small-push", 5, 10 * KIB, (0, 20, 80), ("ours", "rclone", "asyncssh", "paramiko")),
    Case("pull-small", "pull", 1000, 10 * KIB),
    Case("pull-small", "pull", 1000, 10 * KIB, (20, 80), reduced=FEWER),
    Case("push-large", "push", 1, GIB, (0, 20), reduced=SMALLER),
    Case("pull-large", "pull", 1, GIB, (0, 20), reduced=SMALLER),
    Case("listing-1000", "listing", 1000, KIB, peers=("ours",)),
    Case("listing-100000", "listing", 100_000, KIB, peers=("ours",)),
    Case("pull-tree", "pull", 10_000, KIB, directories=200, reduced={"paramiko": (1000, KIB)}),
    Case("retry", "retry", 500, 10 * KIB, (0, 20), FUNCTIONS,
         reduced={"paramiko": (100, 10 * KIB), "asyncssh": (100, 10 * KIB)}),
    Case("pull-100", "pull", 100, 10 * KIB, (80,), ("ours", "rclone", "asyncssh")),
    Case("push-small", "push", 200, 10 * KIB),
    Case("push-small", "push", 200, 10 * KIB, (80,),
         reduced={peer: (20, 10 * KIB) for peer in ("ours", "asyncssh", "paramiko", "sftp")}),
]

QUICK_CASES = [
    Case("start", "start", 3, KIB, peers=("ours", "paramiko")),
    Case("pull-near", "pull", 300, 10 * KIB, peers=("ours", "rclone")),
    Case("pull-far", "pull", 100, 10 * KIB, (80,), ("ours", "rclone", "asyncssh", "paramiko"),
         reduced={"paramiko": (10, 10 * KIB)}),
    # Half a second each: one after the other, the same two have been at 0.75 and at 1.08 of each other's CPU.
    Case("pull-large", "pull", 1, 128 * MIB, peers=("ours", "rclone"), turns=5),
]
