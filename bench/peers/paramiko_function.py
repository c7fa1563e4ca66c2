"""A Lambda function with paramiko and boto3, as a careful user would write it.

Files are read with prefetch and handed to boto3's upload_fileobj, which sends large ones in parts, several at a time.
What is written is pipelined. The connection is kept from one invocation to the next.
"""

import base64
import io
import json
import stat

import boto3
import paramiko

from lambda_loop import BUCKET, HOST, HOST_KEY, PORT, PRIVATE_KEY, QUEUE, SOURCE, TARGET, USER, objects_of, serve

s3 = boto3.client("s3")
sqs = boto3.client("sqs") if QUEUE else None
session = None


def sftp():
    """The SFTP session over the one connection."""
    global session
    if session is None or not session.get_channel().get_transport().is_active():
        client = paramiko.SSHClient()
        kind, text = HOST_KEY.split()
        client.get_host_keys().add(f"[{HOST}]:{PORT}", kind, paramiko.PKey.from_type_string(kind, base64.b64decode(text)))
        key = paramiko.Ed25519Key.from_private_key(io.StringIO(PRIVATE_KEY))
        client.connect(HOST, PORT, USER, pkey=key, allow_agent=False, look_for_keys=False)
        session = client.open_sftp()
        session.client = client  # keeps it alive
    return session



def pull(event):
    server, folders, count = sftp(), [""], 0
    while folders:
        folder = folders.pop()
        for entry in server.listdir_attr(f"{SOURCE}/{folder}"):
            name = f"{folder}{entry.filename}"
            if stat.S_ISDIR(entry.st_mode):
                folders.append(f"{name}/")
                continue
            with server.open(f"{SOURCE}/{name}", "rb") as file:
                file.prefetch(entry.st_size)
                s3.upload_fileobj(file, BUCKET, name)
            count += 1
    return {"transferred": count}


def push(event):
    keys = list(objects_of(event))
    for bucket, key in keys:
        answer = s3.get_object(Bucket=bucket, Key=key)
        sftp().putfo(answer["Body"], f"{TARGET}/{key}", answer["ContentLength"])
    return {"delivered": len(keys)}


def push_retry(event):
    count = 0
    while messages := sqs.receive_message(
        QueueUrl=QUEUE, MaxNumberOfMessages=10, WaitTimeSeconds=1 if count else 2).get("Messages"):
        for message in messages:
            count += push(json.loads(message["Body"]))["delivered"]
        done = [{"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]} for message in messages]
        sqs.delete_message_batch(QueueUrl=QUEUE, Entries=done)
    return {"delivered": count}


serve({"pull": pull, "push": push, "pushRetry": push_retry})
