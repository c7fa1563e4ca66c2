"""What a peer used: processor time, peak resident memory, bytes on the wire."""

import contextlib
import pathlib
import resource
import threading
import time

SAMPLE_SECONDS = 0.02
FAMILY_SECONDS = 0.3  # looking for new processes costs more than looking at known ones
LINK_DEVICE = "near0"


class Usage:
    """What one run used. Processor time is that of every process that this one started and reaped meanwhile."""

    def __init__(self):
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        self.wire_bytes = None

    def look(self, processes):
        """Notes what the processes have had in memory at the most so far."""
        self.peak_bytes = max(self.peak_bytes, sum(map(peak_bytes, processes)))


@contextlib.contextmanager
def measured(find_process):
    """Measures what is done meanwhile. `find_process` tells the process id of the peer once it runs, else None."""
    usage = Usage()
    before = reaped_seconds()
    wire_before = wire_bytes()
    ended = threading.Event()
    sampler = threading.Thread(target=sample_memory, args=(usage, find_process, ended), daemon=True)
    sampler.start()
    try:
        yield usage
    finally:
        ended.set()
        sampler.join()
        usage.cpu_seconds = reaped_seconds() - before
        if wire_before is not None:
            usage.wire_bytes = wire_bytes() - wire_before


def reaped_seconds():
    """Exact, as the kernel adds it up when a child is reaped, with the children that it had reaped itself."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def sample_memory(usage, find_process, ended):
    """The kernel keeps each process's own peak, so that only what comes after the last look is missed.

    ru_maxrss would not do: it includes the copy of this program that a child is before it starts the peer.
    """
    process, members, looked = None, [], 0.0
    is_last = False
    while not is_last:
        is_last = ended.wait(SAMPLE_SECONDS)
        found, now = find_process(), time.monotonic()
        if found is None:
            continue
        if found != process or now - looked > FAMILY_SECONDS:
            process, members, looked = found, family(found), now
        usage.look(members)


def family(process):
    """The process and everything below it."""
    children = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended
        children.setdefault(parent, []).append(int(entry.parent.name))
    found, queue = [], [process]
    while queue:
        found.append(queue.pop())
        queue += children.get(found[-1], [])
    return found


def peak_bytes(pid):
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def wire_bytes():
    """Bytes that went over the link so far, in both directions, with the headers of IP and TCP; None without a link."""
    for line in pathlib.Path("/proc/self/net/dev").read_text().splitlines():
        name, _, fields = line.partition(":")
        if name.strip() == LINK_DEVICE:
            counts = fields.split()
            return int(counts[0]) + int(counts[8])
    return None
