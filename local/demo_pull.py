"""The first act of the demo: pull takes what the partner left."""

import hashlib
import random

from demo_stage import invoke, show_settings, title

BUCKET = "inbox"
PREFIX = "from-partner/"
SOURCE = "outgoing"


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


def play(stage):
    """Returns what is not as it should be, and what to say when nothing is."""
    folder = stage.partner / SOURCE
    hashes = drop_files(folder)
    settings = stage.settings(
        SFTP_SOURCE_DIR=SOURCE, SFTP_TARGET_S3_BUCKET=BUCKET, SFTP_TARGET_S3_PREFIX=PREFIX)
    title(f"PULL. The partner's server, before  (OpenSSH on port {stage.port})")
    stage.show_server(SOURCE)
    title(f"The bucket, before  (S3 stand-in at {stage.aws['endpoint']})")
    stage.show_bucket(BUCKET)
    title("The function: dist/pull.zip through its bootstrap, with")
    show_settings(settings)
    with stage.function("pull", settings) as pull:
        title("Invoked; it logs")
        result = invoke(pull)
    title("The partner's server, after")
    stage.show_server(SOURCE)
    title("The bucket, after")
    stage.show_bucket(BUCKET)
    faults = compare(stage.s3, folder, hashes)
    if result.function_error:
        faults.insert(0, f"pull failed: {result.function_error}")
    return faults, f"All {len(hashes)} files are in S3, byte for byte, and in .done on the server."
