#!/usr/bin/env python3
"""A slow line to a server: relays TCP connections at no more than so many bytes a second each way, all of them together,
and counts what passes.

The rate is read from --rate-file whenever a connection is opened, so a test can make the line faster. Contract: see
Tests/TestKit/StandIn.swift. Ready line: {"port": …}. At the end of each connection a line of JSON on standard error says
how many bytes went {"up": …, "down": …}.

Three relays, because each does another thing on the same few lines: this one measures out time, fault_proxy.py breaks what
it is told to break, and that of sftp_server.py, a thread for each direction, keeps up with the servers that it hides.
"""

import argparse
import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
import time

PIECE_BYTES = 32 * 1024
# Little waits in the buffers of the kernel: what has left the server is soon at the client.
BUFFER_BYTES = 64 * 1024


class Line:
    """One direction, shared by all connections."""

    def __init__(self):
        self.free_at = 0.0

    async def carry(self, count, rate):
        now = time.monotonic()
        self.free_at = max(now, self.free_at) + count / rate
        if self.free_at > now:
            await asyncio.sleep(self.free_at - now)


async def pump(reader, writer, line, rate, counts, name):
    try:
        while piece := await reader.read(PIECE_BYTES):
            await line.carry(len(piece), rate)
            counts[name] += len(piece)
            writer.write(piece)
            await writer.drain()
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        writer.close()


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server-port", type=int, required=True)
    parser.add_argument("--rate-file", required=True, help="holds the bytes a second")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    up, down = Line(), Line()

    async def relay(reader, writer):
        with open(options.rate_file, encoding="ascii") as file:
            rate = float(file.read())
        counts = {"up": 0, "down": 0}
        far = socket.socket()
        for end in (far, writer.get_extra_info("socket")):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        far.setblocking(False)
        await asyncio.get_running_loop().sock_connect(far, ("127.0.0.1", options.server_port))
        far_reader, far_writer = await asyncio.open_connection(sock=far, limit=BUFFER_BYTES)
        await asyncio.gather(
            pump(reader, far_writer, up, rate, counts, "up"), pump(far_reader, writer, down, rate, counts, "down")
        )
        print(json.dumps(counts), file=sys.stderr, flush=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0, limit=BUFFER_BYTES)
    print(json.dumps({"port": str(server.sockets[0].getsockname()[1])}), flush=True)
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.add_reader(sys.stdin.fileno(), lambda: os.read(0, 4096) or (ended.done() or ended.set_result(None)))
    await ended


if __name__ == "__main__":
    asyncio.run(main())
