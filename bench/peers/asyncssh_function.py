"""A Lambda function with asyncssh and boto3, as a careful user would write it: 32 files at a time over one connection.

asyncssh itself keeps many requests of one large read or write in flight. S3 is called on threads. A large object goes in
parts, of which a few are in memory at a time. The connection is kept from one invocation to the next.
"""

import asyncio
import concurrent.futures
import json
import stat

import asyncssh
import boto3
from botocore.config import Config

from lambda_loop import (
    BUCKET, DEPTH, HOST, HOST_KEY, LARGE_BYTES, PORT, PRIVATE_KEY, QUEUE, SOURCE, TARGET, USER, objects_of, serve,
)

PIECE_BYTES = 16 * 1024 * 1024
PIECES_IN_FLIGHT = 3

s3 = boto3.client("s3", config=Config(max_pool_connections=DEPTH))
sqs = boto3.client("sqs") if QUEUE else None
threads = concurrent.futures.ThreadPoolExecutor(DEPTH)
loop = asyncio.new_event_loop()
connection = server = None


async def sftp():
    """The SFTP session over the one connection."""
    global connection, server
    if connection is None or connection.is_closed():
        connection = await asyncssh.connect(
            HOST, PORT, username=USER, client_keys=[asyncssh.import_private_key(PRIVATE_KEY)],
            known_hosts=asyncssh.import_known_hosts(f"[{HOST}]:{PORT} {HOST_KEY}\n"), config=None, agent_path=None,
            encryption_algs=["aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes128-ctr"])
        server = await connection.start_sftp_client()
    return server


def call(function, **parameters):
    """A call of boto3, on a thread."""
    return loop.run_in_executor(threads, lambda: function(**parameters))


async def limited(work, each):
    """Does the work, DEPTH pieces at a time."""
    room = asyncio.Semaphore(DEPTH)

    async def one(item):
        async with room:
            await each(item)

    await asyncio.gather(*(one(item) for item in work))


async def pull(event):
    remote, folders, files = await sftp(), [""], []
    while folders:
        deeper = []

        async def look(folder):
            async for entry in remote.scandir(f"{SOURCE}/{folder}"):
                if entry.filename in (".", ".."):
                    continue
                name = f"{folder}{entry.filename}"
                if stat.S_ISDIR(entry.attrs.permissions):
                    deeper.append(f"{name}/")
                else:
                    files.append((name, entry.attrs.size))

        await limited(folders, look)
        folders = deeper
    await limited(files, lambda file: pull_one(remote, *file))
    return {"transferred": len(files)}


async def pull_one(remote, name, size):
    async with remote.open(f"{SOURCE}/{name}", "rb") as file:
        if size <= LARGE_BYTES:
            await call(s3.put_object, Bucket=BUCKET, Key=name, Body=await file.read(size))
        else:
            await pull_parts(file, name, size)


async def pull_parts(file, name, size):
    upload = (await call(s3.create_multipart_upload, Bucket=BUCKET, Key=name))["UploadId"]
    room, sent = asyncio.Semaphore(PIECES_IN_FLIGHT), []

    async def send(number, piece):
        answer = await call(
            s3.upload_part, Bucket=BUCKET, Key=name, UploadId=upload, PartNumber=number, Body=piece)
        room.release()
        return {"PartNumber": number, "ETag": answer["ETag"]}

    for number, offset in enumerate(range(0, size, PIECE_BYTES), 1):
        await room.acquire()
        sent.append(asyncio.create_task(send(number, await file.read(PIECE_BYTES, offset))))
    parts = await asyncio.gather(*sent)
    await call(
        s3.complete_multipart_upload, Bucket=BUCKET, Key=name, UploadId=upload, MultipartUpload={"Parts": parts})


async def push(event):
    remote, keys = await sftp(), list(objects_of(event))
    await limited(keys, lambda key: push_one(remote, *key))
    return {"delivered": len(keys)}


async def push_one(remote, bucket, key):
    body = (await call(s3.get_object, Bucket=bucket, Key=key))["Body"]
    async with remote.open(f"{TARGET}/{key}", "wb") as file:
        reading = call(body.read, amt=PIECE_BYTES)
        while piece := await reading:
            reading = call(body.read, amt=PIECE_BYTES)  # the next piece comes while this one goes
            await file.write(piece)


async def push_retry(event):
    count = 0
    while messages := (await call(
        sqs.receive_message, QueueUrl=QUEUE, MaxNumberOfMessages=10, WaitTimeSeconds=1 if count else 2)).get("Messages"):
        records = [record for message in messages for record in json.loads(message["Body"])["Records"]]
        count += (await push({"Records": records}))["delivered"]
        done = [{"Id": message["MessageId"], "ReceiptHandle": message["ReceiptHandle"]} for message in messages]
        await call(sqs.delete_message_batch, QueueUrl=QUEUE, Entries=done)
    return {"delivered": count}


def blocking(flow):
    return lambda event: loop.run_until_complete(flow(event))


serve({"pull": blocking(pull), "push": blocking(push), "pushRetry": blocking(push_retry)})
