#!/usr/bin/env python3
"""Faults on the way: two relays, one in front of an SSH server and one in front of the stand-ins for AWS, that break
what the test says, and a port by which it says so.

The SSH relay knows bytes: it refuses, resets, closes half, is silent, drips, or cuts everything after so many bytes of one
direction. The AWS relay knows requests: it answers in AWS's place, loses answers, cuts bodies, and changes them.

    POST /plan     {"ssh": {…} or null, "target": PORT or null, "aws": [{…}, …], "end": {…} or null}; what was seen
                   before is forgotten
    GET /seen      {"ssh": times that the SSH fault was applied, "aws": […the same for each rule…], "requests": […],
                   "progress": how far the work has come}

"end" is {"control": a Runtime API emulator, "number": of a signal, "at": a progress}: the process gets the signal when its
work has come so far, whatever time that takes.

Contract: see Tests/TestKit/StandIn.swift. Ready line: {"sshPort", "endpoint", "control"}.
"""

import argparse
import asyncio
import ctypes
import email.utils
import json
import os
import signal
import socket
import struct
import sys
import time
import urllib.parse
from xml.sax.saxutils import escape

HEAD_LIMIT_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
DRIP_SECONDS = 1.0
RESTART_SECONDS = 0.3


def reset(writer):
    """Ends a connection with RST, as a host that lost its state does."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        try:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # It is closed already.
    writer.transport.abort()


class Progress:
    """How far the work of a function has come, as what passes both relays shows it, and the end that comes at a point of it.

    Each piece and each request counts, not its bytes alone: much is decided in few of them.
    """

    PIECE, BYTES_EACH, REQUEST = 1000, 10, 10_000

    def __init__(self):
        self.count, self.end = 0, None

    def plan(self, end):
        self.count, self.end = 0, end

    async def add(self, count):
        self.count += count
        if self.end is not None and self.count >= self.end["at"]:
            end, self.end = self.end, None
            reader, writer = await asyncio.open_connection(*end["control"].split(":"))
            writer.write(b"POST /signal?number=%d HTTP/1.1\r\nContent-Length: 0\r\n\r\n" % end["number"])
            await reader.readline()
            writer.close()

    async def add_piece(self, piece):
        await self.add(self.PIECE + len(piece) // self.BYTES_EACH)

    async def add_request(self):
        await self.add(self.REQUEST)


class SSHRelay:
    """One TCP relay. The fault: {"kind", "direction": "up" or "down", "afterBytes", "leastPiece", "times"}. It strikes
    behind so many bytes, at the first piece of no fewer than that: in the direction in which no data go, that is a change
    of keys.

    refuse     nobody listens
    reset      RST after so many bytes
    halfClose  FIN towards the receiver of that direction, the other direction goes on
    blackHole  both directions are silent after so many bytes
    drip       one byte a second after so many bytes
    restart    every connection is cut, and nobody listens for a moment
    occupy     as many other connections as the server lets log in at once keep it busy
    """

    def __init__(self, target, progress):
        self.progress = progress
        self.default_target = self.target = target
        self.fault, self.applied = None, 0
        self.server, self.port = None, 0
        self.connections = set()
        self.occupied = []

    async def listen(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", self.port, backlog=128)
        self.port = self.server.sockets[0].getsockname()[1]

    async def plan(self, fault, target):
        # Nothing of the last fault is left: neither what is silent, nor what drips.
        for writer in [*self.occupied, *self.connections]:
            reset(writer)
        self.fault, self.applied, self.occupied = fault, 0, []
        self.target = target or self.default_target
        is_refusing = fault is not None and fault["kind"] == "refuse"
        if is_refusing and self.server is not None:
            self.server.close()
            self.server = None
            self.applied = 1
        elif not is_refusing and self.server is None:
            await self.listen()
        if fault is not None and fault["kind"] == "occupy":
            self.applied = 1
            for _ in range(fault["count"]):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.target)
                await reader.readline()
                self.occupied.append(writer)

    async def restart(self):
        if self.server is None:
            return
        self.server.close()
        self.server = None
        for writer in list(self.connections):
            reset(writer)
        await asyncio.sleep(RESTART_SECONDS)
        if self.server is None:
            await self.listen()

    async def serve(self, reader, writer):
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            reset(writer)
            return
        both = {writer, up_writer}
        self.connections |= both
        fault = self.fault
        if fault is not None and self.applied >= fault.get("times", 1):
            fault = None
        link = Link(self, fault, (writer, up_writer))
        try:
            await asyncio.gather(link.pump("up", reader, up_writer), link.pump("down", up_reader, writer))
        except (ConnectionError, OSError):
            pass
        finally:
            self.connections -= both
            for end in both:
                end.transport.abort()


class Link:
    """One connection through the relay."""

    def __init__(self, relay, fault, ends):
        self.relay, self.fault, self.ends = relay, fault, ends
        self.is_silent = asyncio.Event()

    async def pump(self, direction, reader, writer):
        left = None
        if self.fault is not None and self.fault.get("direction", "up") == direction:
            left = self.fault.get("afterBytes", 0)
            least = self.fault.get("leastPiece", 0)
        while data := await reader.read(PIECE_BYTES):
            await self.relay.progress.add_piece(data)
            if left is not None and len(data) > left and len(data) >= least:
                writer.write(data[:left])
                await writer.drain()
                self.relay.applied += 1
                return await self.fail(data[left:], reader, writer)
            if self.is_silent.is_set():
                continue
            if left is not None:
                left = max(0, left - len(data))
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof() and not self.is_silent.is_set():
            writer.write_eof()

    async def fail(self, rest, reader, writer):
        kind = self.fault["kind"]
        if kind == "reset":
            for end in self.ends:
                reset(end)
        elif kind == "restart":
            asyncio.get_running_loop().create_task(self.relay.restart())
        elif kind == "halfClose":
            writer.write_eof()
            while await reader.read(PIECE_BYTES):
                pass
        elif kind == "blackHole":
            self.is_silent.set()
            while await reader.read(PIECE_BYTES):
                pass
        elif kind == "drip":
            for byte in rest:
                if writer.transport.is_closing():
                    return
                writer.write(bytes([byte]))
                await asyncio.sleep(DRIP_SECONDS)


class Request:
    """One HTTP request, whole but for its body."""

    def __init__(self, head, headers, line):
        self.head, self.headers = head, headers
        self.method, self.target = line.split(" ")[:2]
        self.length = int(headers.get("content-length", "0"))
        self.operation = operation_of(self.method, self.target, headers)


def operation_of(method, target, headers):
    """AWS's name of the operation."""
    named = headers.get("x-amz-target", "")
    if named:
        return named.partition(".")[2]
    query = dict(urllib.parse.parse_qsl(target.partition("?")[2], keep_blank_values=True))
    if method == "POST":
        return "CreateMultipartUpload" if "uploads" in query else "CompleteMultipartUpload"
    if "list-type" in query:
        return "ListObjectsV2"
    if "uploadId" in query:
        return {"PUT": "UploadPart", "DELETE": "AbortMultipartUpload", "GET": "ListParts"}[method]
    if method == "PUT":
        return "CopyObject" if "x-amz-copy-source" in headers else "PutObject"
    return {"GET": "GetObject", "HEAD": "HeadObject", "DELETE": "DeleteObject"}[method]


class AWSRelay:
    """Rules: {"operation", "skip", "times" (-1: always), "kind", …}. The first one that fits a request is applied.

    answer     "status", "code" and "message" (and "region") in place of the service; "headers" besides
    errorInOK  the same, with status 200, before anything was done, or behind it with "isDone"
    lost       the request is done, and the connection ends without an answer
    resetUp    RST after "afterBytes" of the request's body
    resetDown  RST after "afterBytes" of the answer's body
    corruptUp, corruptDown   one bit of the body is another one
    slow       the answer's body comes in pieces of "bytes", one every 50 ms
    silent     no answer
    twice      the answer is given to the next such request too
    """

    def __init__(self, target, progress):
        self.target, self.progress = target, progress
        self.rules, self.applied, self.requests = [], [], []
        self.kept = {}

    def plan(self, rules):
        self.rules = [dict(rule) for rule in rules]
        self.applied = [0] * len(rules)
        self.requests, self.kept = [], {}

    def rule_for(self, request):
        for index, rule in enumerate(self.rules):
            wanted = rule["operation"]
            if wanted != "*" and request.operation not in wanted.split(","):
                continue
            if rule.get("skip", 0) > 0:
                rule["skip"] -= 1
                continue
            if rule.get("times", 1) >= 0 and self.applied[index] >= rule.get("times", 1):
                continue
            self.applied[index] += 1
            return rule
        return None

    async def serve(self, reader, writer):
        up = None
        try:
            while True:
                request = await self.read_head(reader)
                if request is None:
                    break
                await self.progress.add_request()
                rule = self.rule_for(request)
                self.requests.append(request.operation + ("" if rule is None else f" {rule['kind']}"))
                if up is None:
                    up = await asyncio.open_connection("127.0.0.1", self.target)
                if not await self.exchange(request, rule or {"kind": "none"}, reader, writer, up):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort() if writer.transport.is_closing() else writer.close()
            if up is not None:
                up[1].transport.abort()

    @staticmethod
    async def read_head(reader):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {}
        for field in fields:
            name, _, value = field.partition(":")
            headers[name.strip().lower()] = value.strip()
        return Request(head, headers, line)

    async def exchange(self, request, rule, reader, writer, up):
        """False when the connection ends behind it."""
        kind = rule["kind"]
        if request.headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if kind == "resetUp":
            await reader.readexactly(min(rule.get("afterBytes", 0), request.length))
            reset(writer)
            return False
        body = await reader.readexactly(request.length)
        if kind == "silent":
            await reader.read(1)
            return False
        if kind == "answer" or (kind == "errorInOK" and not rule.get("isDone")):
            writer.write(self.error(request, rule))
            await writer.drain()
            return True
        if kind == "corruptUp" and body:
            body = flipped(body)
        kept = self.kept.pop(request.operation, None)
        answer = kept or await self.ask(request, body, up)
        if kind == "twice":
            self.kept[request.operation] = answer
        return await self.reply(request, rule, answer, writer)

    async def ask(self, request, body, up):
        up_reader, up_writer = up
        head = request.head.replace(b"Expect: 100-continue\r\n", b"")
        up_writer.write(head + body)
        await up_writer.drain()
        answer = await up_reader.readuntil(b"\r\n\r\n")
        length = 0
        for field in answer.decode("latin-1").split("\r\n")[1:]:
            name, _, value = field.partition(":")
            if name.strip().lower() == "content-length":
                length = int(value)
        content = b"" if request.method == "HEAD" else await up_reader.readexactly(length)
        return answer, content

    async def reply(self, request, rule, answer, writer):
        head, content = answer
        kind = rule["kind"]
        if kind == "lost":
            reset(writer)
            return False
        if kind == "errorInOK":
            writer.write(self.error(request, rule))
        elif kind == "resetDown":
            writer.write(head + content[: rule.get("afterBytes", 0)])
            await writer.drain()
            # What was written must not be thrown away with the connection.
            await asyncio.sleep(0.05)
            reset(writer)
            return False
        elif kind == "slow":
            writer.write(head)
            size = rule["bytes"]
            for start in range(0, len(content), size):
                writer.write(content[start : start + size])
                await writer.drain()
                await asyncio.sleep(0.05)
        else:
            writer.write(head + (flipped(content) if kind == "corruptDown" and content else content))
        await writer.drain()
        return True

    @staticmethod
    def error(request, rule):
        """An error as S3 or SQS gives it; a HEAD has no body."""
        code, message = rule.get("code", ""), rule.get("message", "said by the test")
        status = 200 if rule["kind"] == "errorInOK" else rule["status"]
        is_json = "x-amz-target" in request.headers
        if is_json:
            body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message})
        else:
            region = f"<Region>{rule['region']}</Region>" if "region" in rule else ""
            body = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{region}<RequestId>FAULT</RequestId></Error>"
        content = body.encode()
        headers = {
            "Content-Type": "application/x-amz-json-1.0" if is_json else "application/xml",
            "Content-Length": str(len(content)), "x-amz-request-id": "FAULT",
            "Date": email.utils.formatdate(time.time() + rule.get("clockSeconds", 0), usegmt=True),
            **({"x-amz-bucket-region": rule["region"]} if "region" in rule else {}), **rule.get("headers", {}),
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} Status\r\n{lines}\r\n".encode()
        return head if request.method == "HEAD" else head + content


def flipped(data):
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    return bytes(changed)


class Control:
    def __init__(self, ssh, aws):
        self.ssh, self.aws = ssh, aws

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        lines = head.split("\r\n")
        lengths = [int(line.partition(":")[2]) for line in lines if line.lower().startswith("content-length:")]
        body = await reader.readexactly(lengths[0] if lengths else 0)
        if lines[0].startswith("POST /plan"):
            order = json.loads(body)
            await self.ssh.plan(order.get("ssh"), order.get("target"))
            self.aws.plan(order.get("aws") or [])
            self.aws.progress.plan(order.get("end"))
        answer = json.dumps({
            "ssh": self.ssh.applied, "aws": self.aws.applied, "requests": self.aws.requests,
            "progress": self.aws.progress.count,
        }).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        await writer.drain()
        writer.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ssh-port", type=int, required=True, help="the SSH server's port")
    parser.add_argument("--aws-port", type=int, required=True, help="the port of the stand-in for AWS")
    options = parser.parse_args()

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    progress = Progress()
    ssh, aws = SSHRelay(options.ssh_port, progress), AWSRelay(options.aws_port, progress)
    await ssh.listen()
    front = await asyncio.start_server(aws.serve, "127.0.0.1", 0, limit=HEAD_LIMIT_BYTES, backlog=512)
    control = await asyncio.start_server(Control(ssh, aws).serve, "127.0.0.1", 0)
    port = {name: server.sockets[0].getsockname()[1] for name, server in (("front", front), ("control", control))}
    ready = {
        "sshPort": str(ssh.port), "endpoint": f"http://127.0.0.1:{port['front']}",
        "control": f"127.0.0.1:{port['control']}",
    }
    print(json.dumps(ready), flush=True)

    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 4096) or (ended.done() or ended.set_result(None)))
    await ended
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
