#!/usr/bin/env python3
"""A small S3 that keeps up, with an SQS on the same port (lean_sqs.py): for measurements and for big files, where moto
would be what is measured.

It takes PutObject, GetObject (one range), HeadObject, DeleteObject, CopyObject of an object onto itself, multipart
uploads, ListParts and ListObjectsV2 with path-style addresses, hashes every body as it arrives and refuses one that does not match
its signed SHA-256 or its checksum header. `If-Match` and `x-amz-copy-source-if-match` are enforced. It does not check
signatures: local/aws.py does. --object BUCKET/KEY=PATH is an object from the start, with the content of a file. Bodies are kept only with --keep; otherwise the size and the SHA-256 are, so that
gigabytes cost no memory.

Contract: see Tests/TestKit/StandIn.swift. Ready line: {"endpoint": …}. Counters: GET /_counters. All objects with their
sizes, hashes and metadata: GET /_objects. All uploads that were begun and not ended: GET /_uploads. How many these are, and
the bodies on the queues: GET /_state. POST /_show shows every hidden message again, POST /_reset forgets everything.
"""

import argparse
import asyncio
import base64
import ctypes
import hashlib
import json
import mmap
import os
import re
import signal
import sys
import time
import urllib.parse
from email.utils import formatdate
from xml.sax.saxutils import escape

from lean_sqs import Queues

XML = "http://s3.amazonaws.com/doc/2006-03-01/"
UNSIGNED = "UNSIGNED-PAYLOAD"
HEAD_LIMIT_BYTES = 64 * 1024
PIECE_BYTES = 256 * 1024


class Store:
    """The objects, and the uploads under way."""

    def __init__(self, keep_bodies, longest_wait_seconds=20):
        self.keep_bodies = keep_bodies
        self.longest_wait_seconds = longest_wait_seconds
        self.objects = {}
        self.uploads = {}
        self.queues = Queues()
        self.counters = {"connections": 0, "requests": 0, "bytes": 0}
        self.next_upload = 0


class Body:
    """A request body while it arrives: its hash, its length, and its bytes where they are wanted."""

    def __init__(self, keep):
        self.hash = hashlib.sha256()
        self.length = 0
        self.pieces = [] if keep else None

    def add(self, view):
        self.hash.update(view)
        self.length += len(view)
        if self.pieces is not None:
            self.pieces.append(bytes(view))

    def joined(self):
        return b"".join(self.pieces) if self.pieces is not None else None


class Connection(asyncio.BufferedProtocol):
    """One connection: heads are parsed, bodies are hashed in place, answers are written whole."""

    def __init__(self, store):
        self.store = store
        self.buffer = bytearray(1024 * 1024)
        self.head = bytearray()
        self.request = None
        self.remaining = 0
        self.body = None
        self.outgoing = memoryview(b"")
        self.is_paused = False
        self.is_last = False

    def connection_made(self, transport):
        self.transport = transport
        self.store.counters["connections"] += 1

    def get_buffer(self, size_hint):
        return self.buffer

    def buffer_updated(self, count):
        view = memoryview(self.buffer)[:count]
        while view:
            if self.request is None:
                view = self.take_head(view)
            else:
                part = view[: self.remaining]
                self.body.add(part)
                self.remaining -= len(part)
                view = view[len(part) :]
            if self.request is not None and self.remaining == 0:
                self.finish()

    def take_head(self, view):
        seen = len(self.head)
        self.head += view
        end = self.head.find(b"\r\n\r\n", max(0, seen - 3))
        if end < 0:
            if len(self.head) > HEAD_LIMIT_BYTES:
                self.transport.close()
            return view[len(view) :]
        lines = bytes(self.head[:end]).decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        self.request = (method, target, headers)
        self.remaining = int(headers.get("content-length", "0"))
        # Small control documents, and the checkpoints of pull, are always kept; object bytes only on request.
        is_document = method == "POST" or "/.sftp-lambda/" in target
        self.body = Body(keep=is_document or self.store.keep_bodies)
        used = end + 4 - seen
        self.head = bytearray()
        if headers.get("expect") == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return view[used:]

    def finish(self):
        method, target, headers = self.request
        body, self.request, self.body = self.body, None, None
        self.is_last = headers.get("connection", "").lower() == "close"
        self.store.counters["requests"] += 1
        self.store.counters["bytes"] += body.length
        if headers.get("x-amz-target", "").startswith("AmazonSQS."):
            endpoint = f"http://{headers['host']}"
            *answer, wait_seconds = self.store.queues.answer(endpoint, headers["x-amz-target"], body.joined())
            wait_seconds = min(wait_seconds, self.store.longest_wait_seconds)
            if wait_seconds:
                asyncio.get_running_loop().call_later(wait_seconds, self.reply, method, *answer)
            else:
                self.reply(method, *answer)
            return
        path, _, query = target.partition("?")
        names = urllib.parse.unquote(path).lstrip("/").split("/", 1)
        bucket, key = names[0], names[1] if len(names) > 1 else ""
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        try:
            self.check(headers, body)
            answer = answer_to(self.store, method, bucket, key, query, headers, body)
        except Refusal as refusal:
            answer = refusal.status, {"Content-Type": "application/xml"}, refusal.document()
        self.reply(method, *answer)

    def check(self, headers, body):
        signed = headers.get("x-amz-content-sha256", UNSIGNED)
        if re.fullmatch("[0-9a-f]{64}", signed) and signed != body.hash.hexdigest():
            raise Refusal(400, "XAmzContentSHA256Mismatch", "the body is not the one that was signed")
        checksum = headers.get("x-amz-checksum-sha256")
        if checksum and checksum != base64.b64encode(body.hash.digest()).decode():
            raise Refusal(400, "BadDigest", "the body does not match x-amz-checksum-sha256")

    def reply(self, method, status, headers, content):
        head = [f"HTTP/1.1 {status} Status"]
        headers.setdefault("Content-Length", str(len(content)))
        headers["Date"] = formatdate(usegmt=True)
        headers["x-amz-request-id"] = f"LEAN{self.store.counters['requests']:012d}"
        head += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join(head).encode("latin-1") + b"\r\n\r\n")
        if method != "HEAD":
            self.outgoing = memoryview(content)
            self.send()
        elif self.is_last:
            self.transport.close()

    def send(self):
        """Writes what is left of the answer, as fast as the other side takes it."""
        while self.outgoing and not self.is_paused:
            piece, self.outgoing = self.outgoing[:PIECE_BYTES], self.outgoing[PIECE_BYTES:]
            self.transport.write(piece)
        if self.is_last and not self.outgoing:
            self.transport.close()

    def pause_writing(self):
        self.is_paused = True

    def resume_writing(self):
        self.is_paused = False
        self.send()


class Refusal(Exception):
    """An S3 error document."""

    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message

    def document(self):
        return f"<Error><Code>{self.code}</Code><Message>{escape(self.message)}</Message></Error>".encode()


def answer_to(store, method, bucket, key, query, headers, body):
    """(status, headers, content) for one request."""
    if bucket == "_counters":
        return 200, {"Content-Type": "application/json"}, json.dumps(store.counters).encode()
    if bucket == "_objects":
        return 200, {"Content-Type": "application/json"}, json.dumps(everything(store)).encode()
    if bucket == "_uploads":
        return 200, {"Content-Type": "application/json"}, json.dumps(sorted(store.uploads)).encode()
    if bucket == "_state":
        state = {"uploads": len(store.uploads), "messages": store.queues.bodies()}
        return 200, {"Content-Type": "application/json"}, json.dumps(state).encode()
    if bucket == "_show" and method == "POST":
        store.queues.show()
        return 200, {}, b""
    if bucket == "_reset" and method == "POST":
        store.objects, store.uploads, store.queues = {}, {}, Queues()
        return 200, {}, b""
    if not key:
        return listing(store, bucket, query) if method == "GET" else (200, {}, b"")
    name = (bucket, key)
    if method == "PUT" and "partNumber" in query:
        return put_part(store, query, body)
    if method == "PUT" and "x-amz-copy-source" in headers:
        return copy_onto_itself(store, name, headers)
    if method == "PUT":
        store.objects[name] = stored(headers, body.hash.hexdigest(), body.length, body.joined())
        return 200, tags(store.objects[name], body), b""
    if method == "POST" and "uploads" in query:
        store.next_upload += 1
        upload = f"upload-{store.next_upload}"
        store.uploads[upload] = (name, headers, {})
        text = f'<InitiateMultipartUploadResult xmlns="{XML}"><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>'
        return 200, {"Content-Type": "application/xml"}, text.encode()
    if method == "POST" and "uploadId" in query:
        return complete(store, query, body)
    if method == "DELETE" and "uploadId" in query:
        store.uploads.pop(query["uploadId"], None)
        return 204, {}, b""
    if method == "GET" and "uploadId" in query:
        return list_parts(store, query)
    if method == "DELETE":
        store.objects.pop(name, None)
        return 204, {}, b""
    return read(store, name, method, headers)


def everything(store):
    """Every object, for checks."""
    return [
        {
            "bucket": bucket, "key": key, "length": entry["length"], "sha256": entry["sha256"],
            "metadata": entry["metadata"], "parts": entry.get("parts"),
        }
        for (bucket, key), entry in store.objects.items()
    ]


def stored(headers, sha256, length, content):
    return {
        "sha256": sha256, "length": length, "content": content, "metadata": metadata(headers), "modified": time.time(),
        "etag": f'"{sha256[:32]}"',
    }


def of_file(path):
    """An object with the content of a file, which takes no memory here."""
    with open(path, "rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return stored({}, digest, len(content), content)


def metadata(headers):
    return {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}


def tags(entry, body):
    checksum = base64.b64encode(body.hash.digest()).decode()
    return {"ETag": entry["etag"], "x-amz-checksum-sha256": checksum}


def put_part(store, query, body):
    upload = store.uploads.get(query.get("uploadId"))
    if upload is None:
        raise Refusal(404, "NoSuchUpload", "the upload does not exist")
    entry = stored({}, body.hash.hexdigest(), body.length, body.joined())
    entry["digest"] = body.hash.digest()
    upload[2][int(query["partNumber"])] = entry
    return 200, tags(entry, body), b""


def list_parts(store, query):
    upload = store.uploads.get(query["uploadId"])
    if upload is None:
        raise Refusal(404, "NoSuchUpload", "the upload does not exist")
    after = int(query.get("part-number-marker", "0"))
    numbers = sorted(number for number in upload[2] if number > after)
    page = numbers[:1000]
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(upload[2][number]['etag'])}</ETag>"
        f"<Size>{upload[2][number]['length']}</Size>"
        f"<ChecksumSHA256>{base64.b64encode(upload[2][number]['digest']).decode()}</ChecksumSHA256></Part>"
        for number in page
    )
    more = "true" if len(numbers) > len(page) else "false"
    text = f'<ListPartsResult xmlns="{XML}"><IsTruncated>{more}</IsTruncated>{rows}</ListPartsResult>'
    return 200, {"Content-Type": "application/xml"}, text.encode()


def complete(store, query, body):
    upload = store.uploads.get(query["uploadId"])
    if upload is None:
        raise Refusal(404, "NoSuchUpload", "the upload does not exist")
    name, headers, parts = upload
    numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)</PartNumber>", body.joined())]
    if numbers != sorted(set(numbers)) or any(number not in parts for number in numbers) or not numbers:
        raise Refusal(400, "InvalidPart", "a part is missing or out of order")
    chosen = [parts[number] for number in numbers]
    content = b"".join(part["content"] for part in chosen) if store.keep_bodies else None
    combined = hashlib.sha256(b"".join(part["digest"] for part in chosen))
    entry = stored(headers, combined.hexdigest(), sum(part["length"] for part in chosen), content)
    entry["parts"] = [[part["sha256"], part["length"]] for part in chosen]
    entry["etag"] = f'"{entry["sha256"][:32]}-{len(chosen)}"'
    store.objects[name] = entry
    del store.uploads[query["uploadId"]]
    checksum = f"{base64.b64encode(combined.digest()).decode()}-{len(chosen)}"
    text = (
        f'<CompleteMultipartUploadResult xmlns="{XML}"><Bucket>{escape(name[0])}</Bucket><Key>{escape(name[1])}</Key>'
        f"<ETag>{escape(entry['etag'])}</ETag><ChecksumSHA256>{checksum}</ChecksumSHA256></CompleteMultipartUploadResult>"
    )
    return 200, {"Content-Type": "application/xml"}, text.encode()


def copy_onto_itself(store, name, headers):
    entry = existing(store, name, headers)
    source = urllib.parse.unquote(headers["x-amz-copy-source"]).lstrip("/")
    if source != "/".join(name):
        raise Refusal(501, "NotImplemented", "an object can only be copied onto itself")
    if headers.get("x-amz-copy-source-if-match", entry["etag"]) != entry["etag"]:
        raise Refusal(412, "PreconditionFailed", "the object is another one")
    entry["metadata"] = metadata(headers)
    entry["modified"] = time.time()
    text = f'<CopyObjectResult xmlns="{XML}"><ETag>{escape(entry["etag"])}</ETag></CopyObjectResult>'
    return 200, {"Content-Type": "application/xml"}, text.encode()


def existing(store, name, headers):
    """The object, if it is the one that the request is about."""
    entry = store.objects.get(name)
    if entry is None:
        raise Refusal(404, "NoSuchKey", "the object does not exist")
    if headers.get("if-match", entry["etag"]) != entry["etag"]:
        raise Refusal(412, "PreconditionFailed", "the object is another one")
    return entry


def read(store, name, method, requested):
    entry = existing(store, name, requested)
    modified = formatdate(entry["modified"], usegmt=True)
    headers = {"ETag": entry["etag"], "Last-Modified": modified, "x-lean-sha256": entry["sha256"]}
    headers.update(entry["metadata"])
    if "parts" in entry:
        headers["x-lean-parts"] = json.dumps(entry["parts"])
    elif "x-amz-checksum-mode" in requested and "range" not in requested:
        headers["x-amz-checksum-sha256"] = base64.b64encode(bytes.fromhex(entry["sha256"])).decode()
    if method == "HEAD" or entry["content"] is None:
        headers["Content-Length"] = str(entry["length"])
        return 200, headers, b""
    bounds = re.fullmatch(r"bytes=(\d+)-(\d*)", requested.get("range", ""))
    if bounds is None:
        return 200, headers, entry["content"]
    first, last = int(bounds[1]), min(int(bounds[2] or entry["length"]), entry["length"] - 1)
    if first > last:
        raise Refusal(416, "InvalidRange", "the object ends before")
    headers["Content-Range"] = f"bytes {first}-{last}/{entry['length']}"
    return 206, headers, memoryview(entry["content"])[first : last + 1]


def listing(store, bucket, query):
    prefix = query.get("prefix", "")
    keys = sorted(key for owner, key in store.objects if owner == bucket and key.startswith(prefix))
    rows = "".join(
        f"<Contents><Key>{escape(key)}</Key><Size>{store.objects[(bucket, key)]['length']}</Size>"
        f"<ETag>{escape(store.objects[(bucket, key)]['etag'])}</ETag>"
        f"<LastModified>{time.strftime('%Y-%m-%dT%H:%M:%S.000Z', time.gmtime(store.objects[(bucket, key)]['modified']))}"
        f"</LastModified></Contents>"
        for key in keys
    )
    text = f'<ListBucketResult xmlns="{XML}"><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>'
    return 200, {"Content-Type": "application/xml"}, text.encode()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep the bytes of objects, so that GET returns them")
    parser.add_argument("--object", action="append", default=[], metavar="BUCKET/KEY=PATH", help="an object that is there")
    parser.add_argument("--address", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--longest-wait", type=float, default=20, help="seconds that a receive may wait at most")
    options = parser.parse_args()

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    loop = asyncio.get_running_loop()
    store = Store(options.keep, options.longest_wait)
    for place, _, path in (text.partition("=") for text in options.object):
        bucket, _, key = place.partition("/")
        store.objects[(bucket, key)] = of_file(path)
    server = await loop.create_server(lambda: Connection(store), options.address, 0, backlog=512)
    port = server.sockets[0].getsockname()[1]
    print(json.dumps({"endpoint": f"http://{options.address}:{port}"}), flush=True)

    ended = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 4096) or (ended.done() or ended.set_result(None)))
    await ended
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
