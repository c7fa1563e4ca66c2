#!/usr/bin/env python3
"""An SSH server of an age that OpenSSH's cannot be given by its settings, made of asyncssh, for tests.

    old_ssh_server.py --root FOLDER --authorized-key LINE [--no-strict-key-exchange] [--no-extensions] [--password TEXT] [--expired]

Without strict key exchange it is as servers were before CVE-2023-48795; without extensions (RFC 8308) it does not say
which signatures it takes, as before OpenSSH 7.2, and takes those with SHA-1. The ready line has its port and host key.
With a password, that logs in too, unless it has expired: then a new one is asked for. The log says which algorithm each
request to log in with a key names, and when a password comes.
"""

import argparse
import asyncio
import json
import os
import sys
import threading

import asyncssh
from asyncssh.connection import SSHServerConnection


class Server(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return options.password is not None

    def validate_password(self, username, password):
        print("a password came", file=sys.stderr, flush=True)
        if options.expired and password == options.password:
            raise asyncssh.PasswordChangeRequired("it has expired")
        return password == options.password

    is_new_password_asked = False

    def kbdint_auth_supported(self):
        return options.asks_for_new_password

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username, responses):
        if not self.is_new_password_asked:
            self.is_new_password_asked = True
            return "", "", "", [("New password: ", False)]
        print(f"new passwords that came: {sum(map(bool, responses))}", file=sys.stderr, flush=True)
        return False


def weaken(arguments):
    """There is no option for either: asyncssh always does both."""
    if arguments.no_strict_key_exchange:
        SSHServerConnection._get_extra_kex_algs = lambda self: [b"ext-info-s"]
    if arguments.no_extensions:
        SSHServerConnection._can_send_ext_info = property(lambda self: False, lambda self, value: None)


def note_requests():
    parse = asyncssh.auth._ServerPublicKeyAuth._start

    async def start(self, packet):
        rest = packet.get_remaining_payload()
        length = int.from_bytes(rest[1:5], "big")
        print(f"a request with {rest[5:5 + length].decode()}", file=sys.stderr, flush=True)
        await parse(self, packet)

    asyncssh.auth._ServerPublicKeyAuth._start = start


async def serve(arguments):
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        Server, "127.0.0.1", 0, server_host_keys=[host_key],
        authorized_client_keys=asyncssh.import_authorized_keys("\n".join(arguments.authorized_key)),
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=arguments.root.encode()))
    line = host_key.export_public_key().decode().split()
    print(json.dumps({"port": str(server.get_port()), "hostKey": " ".join(line[:2])}), flush=True)
    await asyncio.Event().wait()


def end_with_standard_input():
    sys.stdin.read()
    os._exit(0)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--root", required=True)
parser.add_argument("--authorized-key", action="append", default=[])
parser.add_argument("--no-strict-key-exchange", action="store_true")
parser.add_argument("--no-extensions", action="store_true")
parser.add_argument("--password")
parser.add_argument("--expired", action="store_true")
parser.add_argument("--asks-for-new-password", action="store_true", help="by a question, behind that for the password")
options = parser.parse_args()
weaken(options)
note_requests()
threading.Thread(target=end_with_standard_input, daemon=True).start()
asyncio.run(serve(options))
