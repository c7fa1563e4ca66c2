#!/usr/bin/env python3
"""One measurement: one peer does one task, once, and every byte of it is checked.

    bench/measure.py ours pull --count 1000 --bytes 10240 [--rtt-ms 20]

Prints one line of JSON. With --rtt-ms the partner's server stands at the far end of bench/link.py, which needs root.
What each figure means is in docs/performance.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

from peers import PEERS
from stage import Stage, link_command, work_folder
from usage import measured
from works import TASKS


def measure(peer, task):
    """The peer's figures; for a task of several processes the median time and the processor time of one of them."""
    with work_folder() as work, Stage(work, task.keeps_objects) as stage:
        task.prepare(stage, peer)
        runs = []
        with measured(lambda: runs[-1].process() if runs else None) as usage:
            seconds = [one_process(peer, task, stage, runs, usage, events) for events in processes(task, peer)]
        task.check(stage, peer)
        connections = stage.count_connections()
    return {
        "seconds": round(statistics.median(seconds), 4), "cpuSeconds": round(usage.cpu_seconds / len(seconds), 3),
        "peakResidentMiB": round(usage.peak_bytes / (1 << 20), 1), "wireBytes": usage.wire_bytes,
        "connections": connections,
    }


def processes(task, peer):
    """The events of each process."""
    if task.is_fresh:
        return ([event] for event in task.events(peer))
    return [task.events(peer)]


def one_process(peer, task, stage, runs, usage, events):
    """Starts a process, has it answer the events one after the other, and tells how many seconds count."""
    with peer.started(stage, task) as run:
        runs.append(run)
        performed = sum(run.perform(event) for event in events)
        if run.process() is not None:
            usage.look([run.process()])  # a function is still there: nothing of it is missed
        return task.seconds(performed, run.start_seconds())


def arguments(words=None):
    """What is asked for on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=10 * 1024)
    parser.add_argument("--directories", type=int, default=1)
    parser.add_argument("--rtt-ms", type=float, default=0)
    return parser.parse_args(words)


def main():
    options = arguments()
    if options.rtt_ms and "LINK_FAR_PID" not in os.environ:
        sys.exit(subprocess.run([*link_command(options.rtt_ms), sys.executable, *sys.argv]).returncode)
    described = {
        "peer": options.peer, "task": options.task, "count": options.count, "bytes": options.bytes,
        "directories": options.directories, "rttMilliseconds": options.rtt_ms,
    }
    task = TASKS[options.task](options.count, options.bytes, options.directories, options.rtt_ms)
    print(json.dumps(described | measure(PEERS[options.peer], task)), flush=True)


if __name__ == "__main__":
    main()
