#!/usr/bin/env python3
"""Ours and the peers at the same work, one after the other in turns, and what that says of the targets.

    make bench           everything; writes bench/results.json, results.md and results.svg
    make bench-quick     a minute: ratios with wide limits; writes nothing, fails when one is missed

Settings of the environment: BENCH_RUNS (3) how often each peer has its turn, BENCH_ONLY names of cases (see cases.py),
separated by commas; BENCH_PEERS names of peers; BENCH_ADD=1 keeps what earlier results have and this run does not
measure; BENCH_SHRINK makes every task so many times smaller, to try the benchmark itself; BENCH_OUTPUT another folder for
the results.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import time

import results
from cases import CASES, QUICK_CASES
from peers import PEER_PYTHON, PEERS
from stage import ROOT, can_link, link_command
from targets import QUICK_TARGETS, TARGETS

MEASURE = ROOT / "bench" / "measure.py"
MEASUREMENT_LIMIT_SECONDS = 1800
QUICK_RUNS = 1


def say(text=""):
    print(text, flush=True)


def settings(is_quick):
    only = [name for name in os.environ.get("BENCH_ONLY", "").split(",") if name]
    known = QUICK_CASES if is_quick else CASES
    unknown = set(only) - {case.name for case in known}
    if unknown:
        sys.exit(f"bench: no case is called {', '.join(sorted(unknown))}")
    peers = [name for name in os.environ.get("BENCH_PEERS", "").split(",") if name] or PEERS
    chosen = [case for case in known if not only or case.name in only]
    chosen = [dataclasses.replace(case, peers=tuple(peer for peer in case.peers if peer in peers)) for case in chosen]
    return (
        [case for case in chosen if case.peers],
        int(os.environ.get("BENCH_RUNS", QUICK_RUNS if is_quick else 3)), int(os.environ.get("BENCH_SHRINK", 1)),
        pathlib.Path(os.environ.get("BENCH_OUTPUT", ROOT / "bench")))


def check_needs():
    """Ends here, with what to do, when something is missing."""
    for path, remedy in ((PEER_PYTHON, "scripts/venv bench"), (ROOT / "dist" / "pull.zip", "make package")):
        if not path.exists():
            sys.exit(f"bench: {path.relative_to(ROOT)} is not there: {remedy}")


def reachable(cases):
    """(case, round trip) of what can be measured here; what cannot is said."""
    is_possible, reason = can_link()
    chosen, skipped = [], []
    for case in cases:
        for round_trip in case.round_trips:
            (chosen if is_possible or not round_trip else skipped).append((case, round_trip))
    if skipped:
        say(f"bench: SKIPPED, as no delaying link can be made here ({reason}):")
        for case, round_trip in skipped:
            say(f"bench: SKIPPED  {case.title} at {round_trip} ms")
    return chosen


def take_turns(rows, count, shrink, keep):
    """Each peer in its turn, `count` times or a multiple of that (`Case.turns`). `keep` gets what there is after each row. Returns the runs and failures."""
    runs, failures = [], []
    left = sum(len(case.peers) * case.turns for case, _ in rows) * count
    start = time.monotonic()
    for case, round_trip in rows:
        say(f"\n{case.title} at {round_trip} ms")
        for turn in range(count * case.turns):
            # Each turn begins with another peer, so that none always has the same one before it.
            shift = turn % len(case.peers)
            for peer in case.peers[shift:] + case.peers[:shift]:
                run, fault = measure(case, round_trip, peer, shrink)
                left -= 1
                if fault:
                    failures.append(f"{case.title} at {round_trip} ms, {peer}: {fault}")
                    say(f"  {peer:9} FAILED: {fault}")
                    continue
                runs.append({"case": case.name, "turn": turn + 1, **run})
                say(f"  {peer:9} {described(run, case):60} {time.monotonic() - start:5.0f} s so far, {left} to go")
        keep(runs)
    return runs, failures


def measure(case, round_trip, peer, shrink):
    """One measurement, in a process of its own: (figures, None) or (None, what went wrong)."""
    count, size = case.amount(peer, shrink)
    command = [
        *link_command(round_trip), sys.executable, "-B", str(MEASURE), peer, case.task, "--count", str(count),
        "--bytes", str(size), "--directories", str(min(count, case.directories)), "--rtt-ms", str(round_trip),
    ]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=MEASUREMENT_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return None, f"not done after {MEASUREMENT_LIMIT_SECONDS} s"
    if answer.returncode != 0:
        return None, answer.stderr.strip()[-2000:]
    return json.loads(answer.stdout), None


def described(run, case):
    part = case.share(run["count"], run["bytes"])
    note = "" if part == 1 else f"  (1/{1 / part:g} of it)"
    wire = f"  {run['wireBytes'] / 1e6:8.2f} MB" if run["wireBytes"] is not None else ""
    return f"{run['seconds']:8.3f} s  CPU {run['cpuSeconds']:7.3f} s  {run['peakResidentMiB']:6.1f} MiB{wire}{note}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    cases, count, shrink, folder = settings(options.quick)
    targets = QUICK_TARGETS if options.quick else TARGETS
    check_needs()

    def judged(runs):
        medians = results.Medians(QUICK_CASES if options.quick else CASES, runs)
        return medians, [target.judged(medians) for target in targets]

    rows = reachable(cases)
    earlier = [] if options.quick or not os.environ.get("BENCH_ADD") else results.besides(folder, rows)

    def keep(runs):
        if not options.quick and runs:
            medians, verdicts = judged(earlier + runs)
            results.write(folder, medians, earlier + runs, verdicts, shrink)

    runs, failures = take_turns(rows, count, shrink, keep)
    _, verdicts = judged(earlier + runs)
    say()
    for target in verdicts:
        work, what, measured, limit, judgement = results.target_words(target)
        say(f"{work:34} {what:36} {measured:>12} {limit:>12}  {judgement.strip('*')}")
    for failure in failures:
        say(f"bench: FAILED  {failure}")
    is_missed = any(target["met"] is False for target in verdicts)
    # The full run reports; only the quick one, whose limits are wide, judges.
    sys.exit(1 if failures or (options.quick and is_missed) else 0)


if __name__ == "__main__":
    main()
