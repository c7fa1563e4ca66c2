"""Starts the programs of local/, and unpacks the zips of ours, from Python: for the demo, the measurements and the checks.

The contract is the one in Tests/TestKit/StandIn.swift: a ready line of JSON, a log on standard error, and an end at
the end of standard input.
"""

import json
import pathlib
import subprocess
import sys
import zipfile

LOCAL = pathlib.Path(__file__).resolve().parent
ROOT = LOCAL.parent
STOP_LIMIT_SECONDS = 15


class StandIn:
    """One running stand-in; `ready` holds what its ready line said."""

    def __init__(self, script, *arguments, log, prefix=()):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(LOCAL / script), *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
        )
        line = self.process.stdout.readline()
        if not line.strip():
            self.stop()
            raise SystemExit(f"local/{script} did not become ready; its log:\n{pathlib.Path(log).read_text()}")
        self.ready = json.loads(line)

    def __getitem__(self, name):
        return self.ready[name]

    def stop(self):
        """Ends it and waits until it is gone."""
        self.process.stdin.close()
        try:
            self.process.wait(STOP_LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def unpack(archive, folder):
    """Unpacks a function's zip as Lambda does, with the permissions that it records."""
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            pathlib.Path(opened.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)
