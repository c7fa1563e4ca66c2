#!/usr/bin/env python3
"""What `make demo` shows: the real pull, out of its real zip, between a local SFTP server and a local S3.

It starts an OpenSSH server, an S3 (moto, with signature checking on) and a Lambda Runtime API on free loopback ports,
drops a tree of files on the server, invokes the function, shows both sides before and after, and compares every byte.
Whatever it starts it ends, and it leaves nothing behind.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
import zipfile

import boto3

from runtime_api import RuntimeAPI
from runtime_api_emulator.sandbox import Configuration
from standins import ROOT, StandIn

BUCKET = "inbox"
PREFIX = "from-partner/"
SOURCE = "outgoing"
TIMEOUT_SECONDS = 60
SHOWN_SECRETS = {"SFTP_PRIVATE_KEY", "AWS_SECRET_ACCESS_KEY"}

BOLD, DIM, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("", "", "", "", "")
)


def title(text):
    print(f"\n{BOLD}{text}{PLAIN}")


def drop_files(folder):
    """What the partner leaves: usual names and the ones that break naive code. Returns SHA-256 by path."""
    generator = random.Random(2)
    contents = {
        "invoices/2026-11 invoice.csv": b"number;amount\n4711;12.50\n" * 40,
        "invoices/50% off + more.txt": b"percent and plus\n",
        "invoices/\u00e9t\u00e9 (composed).txt": b"one code point\n",
        "invoices/e\u0301te\u0301 (decomposed).txt": b"two code points\n",
        "payroll/empty.dat": b"",
        "payroll/november.zip": generator.randbytes(300_000),
        "scans/patient 0042.tif": generator.randbytes(20 * 1024 * 1024),
        "readme.txt": b"sent by the partner\n",
    }
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (folder / "a link to nowhere").symlink_to("/nowhere-at-all")
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def show_server(folder):
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder.parent)
        if path.is_symlink():
            print(f"  {'link':>10}  {name}")
        elif path.is_file():
            print(f"  {path.stat().st_size:>10,}  {name}")


def show_bucket(s3):
    objects = s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    for entry in objects:
        print(f"  {entry['Size']:>10,}  s3://{BUCKET}/{entry['Key']}")
    if not objects:
        print("  (empty)")


def show_log(log):
    """The function's own lines, shortened for the screen."""
    for line in log.decode(errors="replace").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if "_aws" in entry:
            continue
        fields = {name: value for name, value in entry.items() if name not in ("timestamp", "logger", "requestId")}
        level, message = fields.pop("level"), fields.pop("message")
        shown = " ".join(f"{name}={str(value)[:80]}" for name, value in fields.items())
        print(f"  {level:5} {message}  {DIM}{shown}{PLAIN}")


def compare(s3, folder, hashes):
    """A line for each file that is not whole in S3 and in `.done`."""
    faults = []
    for name, expected in hashes.items():
        path = folder / name
        try:
            answer = s3.get_object(Bucket=BUCKET, Key=PREFIX + name)
            if hashlib.sha256(answer["Body"].read()).hexdigest() != expected:
                faults.append(f"{name}: other bytes in S3")
        except s3.exceptions.NoSuchKey:
            faults.append(f"{name}: not in S3")
        if path.exists():
            faults.append(f"{name}: still at its place")
        if not (path.parent / ".done" / path.name).exists():
            faults.append(f"{name}: not in .done")
    return faults


def unpack(name, folder):
    """Unpacks a zip of dist/ as Lambda does, with the permissions that it records."""
    with zipfile.ZipFile(ROOT / "dist" / f"{name}.zip") as archive:
        for entry in archive.infolist():
            pathlib.Path(archive.extract(entry, folder)).chmod(entry.external_attr >> 16 & 0o777)


def demo(work):
    partner = work / "partner"
    folder = partner / SOURCE
    hashes = drop_files(folder)
    unpack("pull", work / "pull")
    with StandIn("sshd", "--root", partner, log=work / "sshd.log") as sshd, StandIn(
        "aws.py", "--versioned-bucket", BUCKET, log=work / "aws.log"
    ) as aws:
        settings = {
            "SFTP_HOST": sshd["host"],
            "SFTP_PORT": sshd["port"],
            "SFTP_USER": sshd["user"],
            "SFTP_PRIVATE_KEY": pathlib.Path(sshd["privateKey"]).read_text(),
            "SFTP_HOST_KEY": sshd["hostKey"],
            "SFTP_SOURCE_DIR": SOURCE,
            "SFTP_TARGET_S3_BUCKET": BUCKET,
            "SFTP_TARGET_S3_PREFIX": PREFIX,
            "AWS_ENDPOINT_URL": aws["endpoint"],
            "AWS_ACCESS_KEY_ID": aws["accessKeyID"],
            "AWS_SECRET_ACCESS_KEY": aws["secretAccessKey"],
        }
        s3 = boto3.client(
            "s3", endpoint_url=aws["endpoint"], region_name=aws["region"], aws_access_key_id=aws["accessKeyID"],
            aws_secret_access_key=aws["secretAccessKey"])

        title(f"The partner's server, before  (OpenSSH on port {sshd['port']})")
        show_server(folder)
        title(f"The bucket, before  (S3 stand-in at {aws['endpoint']})")
        show_bucket(s3)

        title("The function: dist/pull.zip through its bootstrap, with")
        for name, value in settings.items():
            print(f"  {name}={'…' if name in SHOWN_SECRETS else value}")
        configuration = Configuration(
            task_root=str(work / "pull"), function_name="demo-pull", memory_size=128, region=aws["region"],
            environment=settings, log_path=str(work / "function.log"))
        with RuntimeAPI(configuration) as lambda_service:
            title("Invoked; it logs")
            start = time.monotonic()
            result = lambda_service.invoke(b"{}", timeout_seconds=TIMEOUT_SECONDS)
            seconds = time.monotonic() - start
        show_log(result.log if isinstance(result.log, bytes) else result.log.encode())
        title(f"Answered after {seconds:.2f} s, start of the process included")
        print(f"  {result.payload.decode(errors='replace')}")

        title("The partner's server, after")
        show_server(folder)
        title("The bucket, after")
        show_bucket(s3)
        faults = compare(s3, folder, hashes)
    if result.function_error:
        faults.insert(0, f"the function failed: {result.function_error}")
    if faults:
        print(f"\n{RED}Not as it should be:{PLAIN}\n  " + "\n  ".join(faults))
        return 1
    print(f"\n{GREEN}All {len(hashes)} files are in S3, byte for byte, and in .done on the server.{PLAIN}\n")
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
