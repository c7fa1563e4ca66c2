#!/usr/bin/env python3
"""Pushes, measured: the real function under the Runtime API emulator, a real sshd, and a lean S3 in memory.

    bench/push.py --objects 1 --bytes 1073741824 --function dist/push.zip [--rtt-ms 20]

Each object is one invocation of one warm function, one after the other, as S3 would invoke it. Prints one line of JSON:
seconds of all invocations, of the first (with the start of the process) and the median of the others, CPU seconds and
peak resident MiB of the function, the number of SSH connections, and that every byte arrived and every object is marked.
With --rtt-ms the server stands at the far end of bench/link.py, which needs root.
"""

import argparse
import hashlib
import json
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import time
import urllib.request

from measured import PIECE_BYTES, ROOT, TIMEOUT_SECONDS, Stage, enter_link, resources, round_trip_milliseconds, write_random


def upload(endpoint, work, count, size):
    """Objects of random bytes; their SHA-256 by key."""
    generator = random.Random(count)
    hashes = {}
    for number in range(count):
        key, digest = f"object-{number:06d}", hashlib.sha256()
        write_random(work / key, size, generator, digest)
        with open(work / key, "rb") as body:
            request = urllib.request.Request(
                f"{endpoint}/bucket/{key}", data=body, method="PUT", headers={"Content-Length": str(size)})
            urllib.request.urlopen(request).close()
        (work / key).unlink()
        hashes[key] = digest.hexdigest()
    return hashes


def event(key):
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": "bucket"}, "object": {"key": key}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    return json.dumps({"Records": [record]}).encode()


def check(endpoint, hashes, target):
    """Every object stands on the server, whole and alone, and is marked."""
    for key, expected in hashes.items():
        digest = hashlib.sha256()
        with open(target / key, "rb") as file:
            while piece := file.read(PIECE_BYTES):
                digest.update(piece)
        assert digest.hexdigest() == expected, f"{key} has other bytes on the server"
        with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/bucket/{key}", method="HEAD")) as answer:
            assert answer.headers["x-amz-meta-synced"] == "true", f"{key} is not marked"
    others = {path.name for path in target.iterdir()} - hashes.keys()
    assert not others, f"left on the server: {others}"


def run(options):
    work = pathlib.Path(tempfile.mkdtemp(prefix="sftp-lambda-bench-"))
    try:
        target = work / "tree" / "out"
        target.mkdir(parents=True)
        with Stage(work, "--keep") as stage:
            endpoint = stage.s3["endpoint"]
            hashes = upload(endpoint, work, options.objects, options.bytes)
            seconds = []
            queue = f"{endpoint}/000000000000/unused"
            with stage.function(options, SFTP_TARGET_DIR="out", SFTP_RETRY_QUEUE_NAME=queue) as api:
                for key in hashes:
                    start = time.monotonic()
                    result = api.invoke(event(key), timeout_seconds=TIMEOUT_SECONDS)
                    seconds.append(time.monotonic() - start)
                    if result.function_error or json.loads(result.payload)["delivered"] != 1:
                        sys.exit(f"the push failed: {result.payload}\n{stage.function_log()[-4000:]}")
                usage = resources()
            check(endpoint, hashes, target)
            connections = stage.count_connections()
        others = round(statistics.median(seconds[1:]), 3) if len(seconds) > 1 else None
        return {
            "objects": options.objects, "bytes": options.bytes,
            "rttMilliseconds": round_trip_milliseconds(), "seconds": round(sum(seconds), 3),
            "firstSeconds": round(seconds[0], 3), "medianOfOthersSeconds": others, **usage,
            "sshConnections": connections, "verified": True,
        }
    finally:
        shutil.rmtree(work)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=20)
    parser.add_argument("--bytes", type=int, default=10 * 1024)
    parser.add_argument("--rtt-ms", type=float)
    parser.add_argument("--memory-mb", type=int, default=256)
    parser.add_argument("--function", type=pathlib.Path, default=ROOT / "dist" / "push.zip")
    options = parser.parse_args()
    enter_link(options.rtt_ms)
    print(json.dumps(run(options)), flush=True)


if __name__ == "__main__":
    main()
