#!/usr/bin/env python3
"""One pull, measured: the real function under the Runtime API emulator, a real sshd, and a lean S3 in memory.

    bench/pull.py --files 1000 --bytes 10240 --function dist/pull.zip [--rtt-ms 20]

Prints one line of JSON: seconds from invocation to answer, CPU seconds and peak resident MiB of the function, the
number of SSH connections, and whether every byte arrived (by SHA-256) and every file moved to `.done`. With --rtt-ms
the server stands at the far end of bench/link.py. The whole run needs root for that.
"""

import argparse
import hashlib
import json
import pathlib
import random
import re
import shutil
import sys
import tempfile
import time
import urllib.parse
import urllib.request

from measured import ROOT, TIMEOUT_SECONDS, Stage, enter_link, resources, round_trip_milliseconds, write_random


def make_tree(folder, count, size):
    """Files of random bytes; their SHA-256 by name."""
    folder.mkdir(parents=True)
    generator = random.Random(count)
    hashes = {}
    for number in range(count):
        name = f"file-{number:06d}"
        digest = hashlib.sha256()
        write_random(folder / name, size, generator, digest)
        hashes[name] = digest.hexdigest()
    return hashes


def check(endpoint, hashes, source, size, receipts):
    """Every object has the bytes of its file, and every file stands in `.done`."""
    for name, expected in hashes.items():
        url = f"{endpoint}/bucket/{urllib.parse.quote(name)}"
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD")) as answer:
            assert int(answer.headers["Content-Length"]) == size, f"{name} has another size in S3"
            if "x-lean-parts" not in answer.headers:
                assert answer.headers["x-lean-sha256"] == expected, f"{name} has other bytes in S3"
        # Of a multipart object the server knows the parts' hashes, each checked; the whole one is in the receipt.
        assert receipts[name] == expected, f"{name} has another SHA-256 in its receipt"
        assert (source / ".done" / name).exists() and not (source / name).exists(), f"{name} is not in .done"


def run(options):
    work = pathlib.Path(tempfile.mkdtemp(prefix="sftp-lambda-bench-"))
    try:
        source = work / "tree" / "in"
        hashes = make_tree(source, options.files, options.bytes)
        with Stage(work) as stage:
            with stage.function(options, SFTP_SOURCE_DIR="in", SFTP_TARGET_S3_BUCKET="bucket") as api:
                start = time.monotonic()
                result = api.invoke(b"{}", timeout_seconds=TIMEOUT_SECONDS)
                seconds = time.monotonic() - start
                if result.function_error:
                    sys.exit(f"the pull failed: {result.payload}\n{stage.function_log()[-4000:]}")
                usage = resources()
            receipts = dict(re.findall(r'"key":"([^"]+)".*?"sha256":"([0-9a-f]{64})"', stage.function_log()))
            check(stage.s3["endpoint"], hashes, source, options.bytes, receipts)
            connections = stage.count_connections()
        return {
            "files": options.files, "bytes": options.bytes, "rttMilliseconds": round_trip_milliseconds(),
            "seconds": round(seconds, 3), **usage, "sshConnections": connections, "verified": True,
        }
    finally:
        shutil.rmtree(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--bytes", type=int, default=10 * 1024)
    parser.add_argument("--rtt-ms", type=float)
    parser.add_argument("--memory-mb", type=int, default=256)
    parser.add_argument("--function", type=pathlib.Path, default=ROOT / "dist" / "pull.zip")
    options = parser.parse_args()
    enter_link(options.rtt_ms)
    print(json.dumps(run(options)), flush=True)


if __name__ == "__main__":
    main()
