#!/usr/bin/env python3
"""What `make demo` shows: the real functions, out of their real zips, between a local SFTP server and a local AWS.

It starts an OpenSSH server, an S3 and SQS (moto, with signature checking on) and a Lambda Runtime API on free loopback
ports. First pull takes a tree of files from the server; then push sends what lands in a bucket, the server goes down and
comes back, and pushRetry sends the rest. Both sides are shown before and after, and every byte is compared. Whatever it
starts it ends, and it leaves nothing behind.
"""

import os
import pathlib
import shutil
import sys
import tempfile

import demo_pull
import demo_push
from demo_stage import GREEN, PLAIN, RED, Stage

QUEUE = "outbox-retry"


def demo(work):
    stage = Stage(work, [demo_pull.BUCKET, demo_push.BUCKET], QUEUE)
    try:
        for act in (demo_pull, demo_push):
            faults, praise = act.play(stage)
            if faults:
                print(f"\n{RED}Not as it should be:{PLAIN}\n  " + "\n  ".join(faults))
                return 1
            print(f"\n{GREEN}{praise}{PLAIN}")
    finally:
        stage.stop()
    print()
    return 0


def main():
    os.environ.pop("AWS_PROFILE", None)  # boto3 would look for it.
    work = pathlib.Path(tempfile.mkdtemp(prefix="sftp-lambda-demo-"))
    try:
        sys.exit(demo(work))
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
