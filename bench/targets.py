"""What must hold, as ratios of medians of one run. A target that could not be measured is neither met nor missed."""

import dataclasses
import operator
from collections.abc import Callable

SENSES = {"<=": operator.le, ">=": operator.ge}


@dataclasses.dataclass(frozen=True)
class Target:
    work: str
    what: str
    value: Callable
    sense: str
    limit: float
    unit: str = ""

    def judged(self, medians):
        """This target with its value; None, and so not judged, when what it needs was not measured."""
        try:
            value = self.value(medians)
        except KeyError:
            value = None
        is_met = None if value is None else SENSES[self.sense](value, self.limit)
        return {
            "work": self.work, "what": self.what, "value": value, "sense": self.sense, "limit": self.limit,
            "unit": self.unit, "met": is_met,
        }


def times_faster(case, round_trip, peer):
    """How many times as long the peer takes; of a reduced task, per file or byte."""
    return lambda medians: medians.whole(case, round_trip, peer) / medians.whole(case, round_trip, "ours")


def share(case, round_trip, peer, figure):
    """Ours as a part of the peer's."""
    if figure == "seconds":
        return lambda medians: medians.whole(case, round_trip, "ours") / medians.whole(case, round_trip, peer)
    return lambda medians: medians.figure(case, round_trip, "ours", figure) / medians.figure(
        case, round_trip, peer, figure)


def ours(case, round_trip, figure, scale=1):
    return lambda medians: medians.figure(case, round_trip, "ours", figure) * scale


def round_trips(medians, peer="ours"):
    """Of one small push: what 80 ms of distance add to it, in units of 80 ms."""
    return (medians.whole("small-push", 80, peer) - medians.whole("small-push", 0, peer)) / 0.080


def bytes_per_file(medians):
    peaks, counts = (
        [medians.figure(f"listing-{count}", 0, "ours", figure) for count in (1000, 100_000)]
        for figure in ("peakResidentMiB", "count"))
    return (peaks[1] - peaks[0]) * (1 << 20) / (counts[1] - counts[0])


def large(case, work, processor_share):
    for round_trip in (0, 20):
        at = f"{work} at {round_trip} ms"
        yield Target(at, "time, of rclone's", share(case, round_trip, "rclone", "seconds"), "<=", 1)
        yield Target(at, "CPU, of rclone's", share(case, round_trip, "rclone", "cpuSeconds"), "<=", processor_share)
        yield Target(at, "resident", ours(case, round_trip, "peakResidentMiB"), "<=", 48, "MiB")


TARGETS = [
    Target("pull 1,000 small files at 80 ms", "times faster than rclone", times_faster("pull-small", 80, "rclone"), ">=", 20),
    Target(
        "pull 1,000 small files at 80 ms", "times faster than asyncssh", times_faster("pull-small", 80, "asyncssh"), ">=", 5),
    Target(
        "pull 1,000 small files at 0 ms", "time, of rclone's", share("pull-small", 0, "rclone", "seconds"), "<=", 0.5),
    Target(
        "pull 1,000 small files at 0 ms", "CPU, of rclone's", share("pull-small", 0, "rclone", "cpuSeconds"), "<=", 0.5),
    *large("pull-large", "pull 1 GiB", 0.7),
    *large("push-large", "push 1 GiB", 0.9),
    Target("one small push, new connection", "round trips to the mark", round_trips, "<=", 12),
    Target("one small push, new connection", "at 0 ms", ours("small-push", 0, "seconds", 1000), "<=", 40, "ms"),
    Target("start to the first `next`", "time", ours("start", 0, "seconds", 1000), "<=", 15, "ms"),
    Target("start to the first `next`", "times faster than paramiko", times_faster("start", 0, "paramiko"), ">=", 20),
    Target("zip", "largest", lambda medians: medians.zip_bytes() / 1e6, "<=", 8, "MB"),
    Target("100,000 files listed", "memory a file", bytes_per_file, "<=", 200, "bytes"),
]

# Far from what is measured on a quiet machine, so that only a real loss is one here. No times, only ratios.
QUICK_TARGETS = [
    Target("start to the first `next`", "times faster than paramiko", times_faster("start", 0, "paramiko"), ">=", 8),
    Target("pull 300 small files at 0 ms", "CPU, of rclone's", share("pull-near", 0, "rclone", "cpuSeconds"), "<=", 0.75),
    Target("pull 100 small files at 80 ms", "times faster than rclone", times_faster("pull-far", 80, "rclone"), ">=", 2.5),
    Target(
        "pull 100 small files at 80 ms", "times faster than asyncssh", times_faster("pull-far", 80, "asyncssh"), ">=", 1.3),
    Target(
        "pull 100 small files at 80 ms", "times faster than paramiko, a file", times_faster("pull-far", 80, "paramiko"),
        ">=", 12),
    Target("pull 128 MiB at 0 ms", "CPU, of rclone's", share("pull-large", 0, "rclone", "cpuSeconds"), "<=", 1),
    Target("pull 128 MiB at 0 ms", "resident, of rclone's", share("pull-large", 0, "rclone", "peakResidentMiB"), "<=", 0.5),
]
