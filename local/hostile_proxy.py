#!/usr/bin/env python3
"""A proxy that lies, between a function and an SSH server: SOCKS5 or HTTP CONNECT, whichever it is spoken to in.

Each scenario is a function below. Which one plays is read for each connection from the file `--scenario-file`.
`hostile_proxy.py --list` says what each does, as JSON. Contract: see Tests/TestKit/StandIn.swift. Ready line: {"port"}.
"""

import argparse
import asyncio
import json
import os
import sys

HEAD_LIMIT_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
DRIP_SECONDS = 0.1
ENDLESS_PIECES = 10_000
FORGED = b'x\x1b[2J\x85{"level":"info","message":"forged"}'


class Peer:
    """Who has connected, and what was said so far."""

    def __init__(self, reader, writer, ports):
        self.reader, self.writer = reader, writer
        self.server_port, self.other_port = ports
        self.head = b""

    async def say(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def hear_http(self):
        """The whole request; its value of Proxy-Authorization."""
        self.head = await self.reader.readuntil(b"\r\n\r\n")
        lines = self.head.split(b"\r\n")
        return next((line.split(b" ", 1)[1] for line in lines if line.startswith(b"Proxy-Authorization: ")), b"")

    async def hear_socks(self, method=0):
        """The greeting and, once a method is chosen, the request."""
        count = (await self.reader.readexactly(2))[1]
        await self.reader.readexactly(count)
        await self.say(bytes([5, method]))
        if method == 2:
            # The version of the login, and the user; the password.
            for count in (2, 1):
                size = (await self.reader.readexactly(count))[-1]
                await self.reader.readexactly(size)
            await self.say(bytes([1, 0]))
        kind = (await self.reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await self.reader.readexactly(1))[0]
        await self.reader.readexactly(size + 2)

    async def connect(self, answer, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await self.say(answer)
        try:
            await asyncio.gather(carry(self.reader, writer), carry(reader, self.writer))
        finally:
            writer.close()


async def carry(reader, writer):
    while data := await reader.read(PIECE_BYTES):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


OK = b"HTTP/1.1 200 Connection established\r\n\r\n"
CONNECTED = bytes([5, 0, 0, 1, 127, 0, 0, 1, 0, 0])


async def http_honest(peer):
    """nothing wrong: it shows that a scenario fails for its lie alone"""
    await peer.hear_http()
    await peer.connect(OK, peer.server_port)


async def http_silence(peer):
    """no answer at all"""
    await peer.reader.read(-1)


async def http_drip(peer):
    """an answer without an end, 10 bytes a second"""
    await peer.say(b"HTTP/1.1 200 OK\r\nA: ")
    while True:
        await peer.say(b"a")
        await asyncio.sleep(DRIP_SECONDS)


async def http_endless_head(peer):
    """an answer without an end, as fast as it is taken"""
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    for _ in range(ENDLESS_PIECES):
        await peer.say(b"A: " + b"a" * PIECE_BYTES + b"\r\n")


async def http_waits(peer):
    """100 Continue, again and again"""
    for _ in range(ENDLESS_PIECES):
        await peer.say(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def http_forges(peer):
    """a refusal with escape sequences and a line of a log in it"""
    await peer.hear_http()
    await peer.say(b"HTTP/1.1 403 " + FORGED + b"\r\n\r\n")


async def http_says_login_back(peer):
    """a refusal that repeats the user and the password, as they were sent"""
    await peer.say(b"HTTP/1.1 403 " + await peer.hear_http() + b"\r\n\r\n")


async def http_says_login_later(peer):
    """it says that it has connected, and repeats the user and the password in the server's place"""
    await peer.say(OK + await peer.hear_http() + b"\r\n")


async def http_hangs_up(peer):
    """it says that it has connected, and hangs up"""
    await peer.hear_http()
    await peer.say(OK)


async def http_other_server(peer):
    """it connects with another server, which has another host key"""
    await peer.hear_http()
    await peer.connect(OK, peer.other_port)


async def http_noise(peer):
    """it says that it has connected, and sends a line without an end in the server's place"""
    await peer.hear_http()
    await peer.say(OK)
    for _ in range(ENDLESS_PIECES):
        await peer.say(b"\x1b[2J" * (PIECE_BYTES // 4))


async def socks_honest(peer):
    """nothing wrong; it answers with the longest name that an answer can hold"""
    await peer.hear_socks(method=2)
    await peer.connect(bytes([5, 0, 0, 3, 255]) + b"a" * 255 + bytes([0, 22]), peer.server_port)


async def socks_other_method(peer):
    """it chooses a way to log in that was not offered"""
    await peer.say(bytes([5, 1]))


async def socks_other_address(peer):
    """it has connected, from an address of a type that there is not"""
    await peer.hear_socks()
    await peer.say(bytes([5, 0, 0, 9]) + b"a" * 1000)


async def socks_cut_off(peer):
    """it hangs up in the middle of its answer"""
    await peer.hear_socks()
    await peer.say(CONNECTED[:7])


async def socks_flood(peer):
    """zeros without an end"""
    for _ in range(ENDLESS_PIECES):
        await peer.say(bytes(PIECE_BYTES))


async def socks_silence(peer):
    """it agrees on how to log in, and never answers to it"""
    await peer.say(bytes([5, 2]))
    await peer.reader.read(-1)


SCENARIOS = {
    name.replace("_", "-"): function
    for name, function in list(globals().items())
    if name.startswith(("http_", "socks_")) and asyncio.iscoroutinefunction(function)
}


async def serve(options):
    async def play(reader, writer):
        with open(options.scenario_file) as file:
            scenario = SCENARIOS[file.read()]
        try:
            await scenario(Peer(reader, writer, (options.server_port, options.other_port)))
            # What was said is to arrive, and would not behind a reset.
            if writer.can_write_eof():
                writer.write_eof()
                await reader.read(-1)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # The function has had enough.
        finally:
            writer.close()

    server = await asyncio.start_server(play, "127.0.0.1", 0, limit=HEAD_LIMIT_BYTES)
    print(json.dumps({"port": str(server.sockets[0].getsockname()[1])}), flush=True)
    # Nobody sends anything: its end is the end.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    # Connections that hang would hold an orderly end up.
    sys.stderr.flush()
    os._exit(0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenario-file")
    parser.add_argument("--server-port", type=int)
    parser.add_argument("--other-port", type=int, help="of a server that nobody has asked for")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    if options.list:
        print(json.dumps({name: function.__doc__ for name, function in SCENARIOS.items()}))
        return
    asyncio.run(serve(options))


if __name__ == "__main__":
    main()
