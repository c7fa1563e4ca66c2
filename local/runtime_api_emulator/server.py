"""A small HTTP/1.1 server on asyncio: what the emulator needs and no more.

Unlike http.server it notices at once when a client of a long poll goes away, and it can break answers on purpose.
"""

import asyncio
import json
import sys
import traceback
import urllib.parse

MAXIMUM_HEAD_BYTES = 64 * 1024
MAXIMUM_BODY_BYTES = 64 * 1024 * 1024
REASONS = {
    100: "Continue", 200: "OK", 202: "Accepted", 204: "No Content", 400: "Bad Request", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 410: "Gone", 413: "Payload Too Large", 429: "Too Many Requests",
    500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
}


class Request:
    def __init__(self, method, target, headers, body):
        path, _, query = target.partition("?")
        self.method = method
        self.path = path
        self.query = dict(urllib.parse.parse_qsl(query))
        self.headers = headers  # names in lower case
        self.body = body

    def json(self):
        return json.loads(self.body or b"{}")


class Response:
    """`broken` is None, "drop" (the connection ends without an answer) or "cut" (it ends within the body)."""

    def __init__(self, status, body=b"", headers=(), broken=None):
        self.status = status
        self.headers = dict(headers)
        self.broken = broken
        if isinstance(body, bytes):
            self.body = body
        else:
            self.body = json.dumps(body).encode() + b"\n"
            self.headers.setdefault("Content-Type", "application/json")


class MalformedRequest(Exception):
    pass


class Connection(asyncio.Protocol):
    """One connection: reads requests one after the other and answers each before it looks at the next."""

    def __init__(self, answer, connections):
        self.answer = answer
        self.connections = connections
        self.buffer = bytearray()
        self.requests = self.parse()
        self.task = None

    def connection_made(self, transport):
        self.transport = transport
        self.connections.add(self)

    def data_received(self, data):
        self.buffer += data
        self.advance()

    def eof_received(self):
        return False  # Closes: nobody here sends a request and then half-closes.

    def connection_lost(self, _):
        self.connections.discard(self)
        if self.task:
            self.task.cancel()

    def advance(self):
        if self.task or self.transport.is_closing():
            return
        try:
            request = next(self.requests)
        except (MalformedRequest, ValueError) as error:
            self.write(Response(400, {"errorMessage": str(error), "errorType": "BadRequest"}))
            self.transport.close()
            return
        if request:
            self.task = asyncio.get_running_loop().create_task(self.serve(request))

    async def serve(self, request):
        try:
            response = await self.answer(request)
        except asyncio.CancelledError:
            return
        except Exception:
            traceback.print_exc(file=sys.stderr)
            response = Response(500, {"errorMessage": "the emulator failed", "errorType": "EmulatorFailure"})
        self.task = None
        self.write(response)
        if request.headers.get("connection", "").lower() == "close":
            self.transport.close()
        self.advance()

    def write(self, response):
        if response.broken == "drop":
            self.transport.abort()
            return
        lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append(f"Content-Length: {len(response.body)}")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        if response.broken == "cut":
            self.transport.write(head + response.body[: len(response.body) // 2])
            self.transport.close()
        else:
            self.transport.write(head + response.body)

    def parse(self):
        """Yields a Request, or None while it needs more bytes."""
        while True:
            while (end := self.buffer.find(b"\r\n\r\n")) < 0:
                if len(self.buffer) > MAXIMUM_HEAD_BYTES:
                    raise MalformedRequest("the head is too large")
                yield None
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            del self.buffer[: end + 4]
            words = lines[0].split(" ")
            if len(words) != 3 or not words[2].startswith("HTTP/1."):
                raise MalformedRequest("this is not a request line")
            headers = {}
            for line in lines[1:]:
                name, colon, value = line.partition(":")
                if not colon:
                    raise MalformedRequest("this is not a header line")
                headers[name.strip().lower()] = value.strip()
            if headers.get("expect", "").lower() == "100-continue":
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            if headers.get("transfer-encoding", "").lower() == "chunked":
                body = yield from self.chunked_body()
            else:
                body = yield from self.take(int(headers.get("content-length", "0")))
            yield Request(words[0], words[1], headers, body)

    def take(self, count):
        if not 0 <= count <= MAXIMUM_BODY_BYTES:
            raise MalformedRequest("the body is too large")
        while len(self.buffer) < count:
            yield None
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def line(self):
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > MAXIMUM_HEAD_BYTES:
                raise MalformedRequest("a line is too long")
            yield None
        line = self.buffer[:end].decode("latin-1")
        del self.buffer[: end + 2]
        return line

    def chunked_body(self):
        body = bytearray()
        while True:
            count = int((yield from self.line()).partition(";")[0], 16)
            if count == 0:
                while (yield from self.line()):
                    pass
                return bytes(body)
            body += yield from self.take(count)
            yield from self.line()
            if len(body) > MAXIMUM_BODY_BYTES:
                raise MalformedRequest("the body is too large")


class Server:
    """Listens on a free loopback port; `answer` is an async function from Request to Response."""

    def __init__(self, answer):
        self.answer = answer
        self.connections = set()

    async def start(self):
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(
            lambda: Connection(self.answer, self.connections), "127.0.0.1", 0)
        self.address = "127.0.0.1:%d" % self.server.sockets[0].getsockname()[1]

    def stop(self):
        self.server.close()
        for connection in list(self.connections):
            connection.transport.abort()
