"""The second act of the demo: push sends what lands in the bucket, and pushRetry what could not be sent."""

import json
import urllib.parse

from demo_stage import invoke, show_settings, title

BUCKET = "outbox"
TARGET = "incoming"


def notification(stage, key):
    """What S3 sends when an object was stored."""
    head = stage.s3.head_object(Bucket=BUCKET, Key=key)
    record = {
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": stage.aws["region"],
        "eventName": "ObjectCreated:Put",
        "s3": {
            "s3SchemaVersion": "1.0", "bucket": {"name": BUCKET},
            "object": {
                "key": urllib.parse.quote_plus(key), "size": head["ContentLength"], "eTag": head["ETag"].strip('"'),
                "versionId": head["VersionId"],
            },
        },
    }
    return json.dumps({"Records": [record]}).encode()


def upload(stage, contents):
    for key, content in contents.items():
        stage.s3.put_object(Bucket=BUCKET, Key=key, Body=content, ContentType="text/csv")


def compare(stage, contents):
    """A line for each object that is not whole on the server and marked."""
    faults = []
    for key, content in contents.items():
        path = stage.partner / TARGET / key
        if not path.exists() or path.read_bytes() != content:
            faults.append(f"{key}: not on the server, or with other bytes")
        head = stage.s3.head_object(Bucket=BUCKET, Key=key)
        if head["Metadata"].get("synced") != "true" or head["ContentType"] != "text/csv":
            faults.append(f"{key}: not marked, or the mark has changed it")
    others = [path for path in (stage.partner / TARGET).rglob("*") if path.is_file()]
    if len(others) != len(contents):
        faults.append(f"{len(others)} files on the server in place of {len(contents)}")
    return faults


def play(stage):
    """Returns what is not as it should be, and what to say when nothing is."""
    (stage.partner / TARGET).mkdir()
    settings = stage.settings(SFTP_TARGET_DIR=TARGET, SFTP_RETRY_QUEUE_NAME=stage.queue)
    first = {
        "orders/2026-11 order + 50%.csv": b"article;count\n" * 100,
        "orders/\u00e9t\u00e9.csv": b"summer\n",
        "empty.csv": b"",
        "large.csv": bytes(range(256)) * 40_000,
    }
    faults = []
    title("PUSH. Objects land in the bucket")
    upload(stage, first)
    stage.show_bucket(BUCKET, with_marks=True)
    title("The function: dist/push.zip through its bootstrap, with")
    show_settings(settings)
    with stage.function("push", settings) as push:
        for key in first:
            title(f"Invoked for {key}; it logs")
            result = invoke(push, notification(stage, key))
            faults += [f"push failed: {result.function_error}"] if result.function_error else []
        title("Invoked once more for the last one: there is nothing to do")
        invoke(push, notification(stage, key))
        title("The partner's server, after")
        stage.show_server(TARGET)
        title("The bucket, after")
        stage.show_bucket(BUCKET, with_marks=True)
        faults += compare(stage, first)

        title("The partner's server is down, and objects land in the bucket")
        stage.stop_server()
        second = {"orders/late.csv": b"too late?\n", "empty.csv": b"no longer empty\n"}
        upload(stage, second)
        for key in second:
            result = invoke(push, notification(stage, key))
            faults += [f"push failed: {result.function_error}"] if result.function_error else []
        stage.show_queue()
        if stage.queued() != len(second):
            faults.append(f"{stage.queued()} messages on the queue in place of {len(second)}")

    title("The partner's server is up again; pushRetry, out of dist/pushRetry.zip, is invoked")
    stage.start_server()
    with stage.function("pushRetry", settings) as retry:
        result = invoke(retry)
        faults += [f"pushRetry failed: {result.function_error}"] if result.function_error else []
    title("The partner's server, the bucket and the queue, in the end")
    stage.show_server(TARGET)
    stage.show_bucket(BUCKET, with_marks=True)
    stage.show_queue()
    if stage.queued() != 0:
        faults.append(f"{stage.queued()} messages are left on the queue")
    everything = {**first, **second}
    faults += compare(stage, everything)
    return faults, f"All {len(everything)} objects are on the server, byte for byte, and marked; the queue is empty."
