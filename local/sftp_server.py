#!/usr/bin/env python3
"""Other partners' SFTP servers than OpenSSH's, on a free loopback port: ProFTPD's mod_sftp, rclone's and asyncssh's.

    sftp_server.py --server proftpd|rclone|asyncssh --root FOLDER

It follows the contract of all stand-ins (Tests/TestKit/StandIn.swift) and needs no root. rclone and asyncssh are those of
.deps/bench-venv. In front of the server stands a relay, which is the port of the ready line: all three keep or end
sessions in ways of their own, and SIGUSR1 cuts every connection of each of them as a broken network does.

Ready line: host, port, user, hostKey, hostKeyFingerprint, privateKey (a path), publicKey, version, pid (for the signal),
cuts (a file that gets a byte more when all connections have been cut), and root: how the server calls the folder.
"""

import argparse
import grp
import json
import os
import pathlib
import pwd
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True

from processes import (  # noqa: E402
    SEARCH_PATH, adopt_orphans, die_with_parent, end_all, fingerprint, free_port, make_key, public_line, take_signals,
    write,
)

USER = "partner"
ADDRESS = "127.0.0.1"
START_ATTEMPTS = 5
START_TIMEOUT_SECONDS = 15
PIECE_BYTES = 256 * 1024
# What a server may send before its identification (RFC 4253, section 4.2).
BANNER_LIMIT_BYTES = 8 * 1024
LOCAL = pathlib.Path(__file__).resolve().parent
PEERS = LOCAL.parent / ".deps/bench-venv/bin"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, choices=sorted(SERVERS))
    parser.add_argument("--root", required=True, help="the login directory; made when missing")
    parser.add_argument("--key-cache", help="a folder where key pairs are kept for the next server")
    parser.add_argument(
        "--rereads", action="store_true",
        help="rclone keeps nothing of the folder in mind: what others do there is seen at once, and it may hang",
    )  # fmt: skip
    return parser.parse_args()


class Setting:
    """What a server is started with."""

    def __init__(self, options, work):
        self.work = work
        self.root = os.path.abspath(options.root)
        self.rereads = options.rereads
        os.makedirs(self.root, exist_ok=True)
        keys = options.key_cache or os.path.join(work, "keys")
        self.host_key = make_key("host", "ed25519", keys)
        self.client_key = make_key("client", "ed25519", keys)
        self.authorized = os.path.join(work, "authorized_keys")
        write(self.authorized, public_line(self.client_key) + "\n")

    def path(self, name):
        return os.path.join(self.work, name)


# The servers: each a command that serves the folder on a port in the foreground.


def proftpd(setting, port):
    """ProFTPD reads keys only in the form of RFC 4716, and runs its sessions as the user of its own account file."""
    with open(setting.path("authorized"), "w") as file:
        subprocess.run(["ssh-keygen", "-e", "-f", setting.authorized], check=True, stdout=file, env={"PATH": SEARCH_PATH})
    # Sessions run as whoever runs this; by name, since a number is no name here.
    user, group = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name
    uid, gid = os.getuid(), os.getgid()
    write(setting.path("passwd"), f"{USER}:*:{uid}:{gid}::{setting.root}:/bin/sh\n", 0o600)
    write(setting.path("group"), f"{USER}:*:{gid}:\n", 0o600)
    host_key = setting.path("host_key")
    shutil.copy(setting.host_key, host_key)
    os.chmod(host_key, 0o600)
    work = setting.work
    write(setting.path("proftpd.conf"), f"""
ModulePath {proftpd_modules()}
LoadModule mod_sftp.c
ServerType standalone
DefaultAddress {ADDRESS}
SocketBindTight on
Port {port}
UseIPv6 off
UseReverseDNS off
WtmpLog off
User {user}
Group {group}
PidFile {work}/pid
ScoreboardFile {work}/scoreboard
ControlsEngine off
DelayEngine off
MaxInstances 100
AuthOrder mod_auth_file.c
AuthUserFile {work}/passwd
AuthGroupFile {work}/group
RequireValidShell off
RootLogin on
UseFtpUsers off
AllowOverwrite on
Umask 022
SFTPEngine on
SFTPLog {work}/sftp.log
SFTPHostKey {host_key}
SFTPAuthorizedUserKeys file:{work}/authorized
SFTPAuthMethods publickey
""")
    return [tool("proftpd", "proftpd-core"), "-n", "-q", "-c", setting.path("proftpd.conf")], setting.root


def proftpd_modules():
    for folder in ("/usr/lib/proftpd", "/usr/libexec/proftpd"):
        if os.path.exists(os.path.join(folder, "mod_sftp.so")):
            return folder
    sys.exit("local/sftp_server.py: ProFTPD has no mod_sftp here; install proftpd-mod-crypto")


def rclone(setting, port):
    """Writes go through a cache of whole files: without it, rclone can neither seek in a file nor set times of open ones.

    Directories are kept for a millisecond, since the tests work in the folder past the server. Those that cannot wait so
    long ask for none at all, in which rclone forgets in a loop, and hangs now and then (docs/interoperability.md).
    """
    command = [
        peer("rclone"), "serve", "sftp", setting.root, "--config", "/dev/null", "--addr", f"{ADDRESS}:{port}",
        "--user", USER, "--authorized-keys", setting.authorized, "--key", setting.host_key,
        "--vfs-cache-mode", "writes", "--cache-dir", setting.path("cache"), "--vfs-write-back", "0s",
        "--dir-cache-time", "0s" if setting.rereads else "1ms", "--poll-interval", "0",
    ]  # fmt: skip
    return command, "/"


def asyncssh(setting, port):
    command = [
        peer("python3"), "-B", str(LOCAL / "asyncssh_server.py"), "--address", ADDRESS, "--port", str(port),
        "--root", setting.root, "--host-key", setting.host_key, "--authorized-keys", setting.authorized,
    ]  # fmt: skip
    return command, setting.root


SERVERS = {"proftpd": proftpd, "rclone": rclone, "asyncssh": asyncssh}


def version(name, command):
    """The server's name and version, as it says them."""
    if name == "asyncssh":
        said = subprocess.run([command[0], "-c", "import asyncssh; print(asyncssh.__version__)"], **READING).stdout
        return f"asyncssh {said.strip()}"
    said = subprocess.run([command[0], "--version" if name == "rclone" else "-v"], **READING).stdout
    return said.splitlines()[0].replace("Version ", "").replace(" v", " ").strip()


READING = {"check": True, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}


def tool(name, package):
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        sys.exit(f"local/sftp_server.py: no {name} here; install {package}")
    return path


def peer(name):
    path = PEERS / name
    if not path.exists():
        sys.exit(f"local/sftp_server.py: no {path}; make bench-deps makes it")
    return str(path)


def start(make_command, setting):
    """The running server, its port and the name it has for the folder. A port taken meanwhile is no failure."""
    for _ in range(START_ATTEMPTS):
        port = free_port(ADDRESS)
        command, root = make_command(setting, port)
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,
            env={"PATH": SEARCH_PATH, "HOME": setting.work, "LANG": "C.UTF-8"},
            preexec_fn=die_with_parent,
        )
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if greets(port):
                return process, port, command, root
            time.sleep(0.01)
        process.kill()
        process.wait()
        log(f"{command[0]} did not start on port {port}")
    sys.exit("local/sftp_server.py: the server did not start")


def greets(port):
    """Whether an SSH server answers there."""
    try:
        with socket.create_connection((ADDRESS, port), START_TIMEOUT_SECONDS) as probe:
            return b"SSH-2.0-" in probe.recv(BANNER_LIMIT_BYTES)
    except OSError:
        return False


# The relay


class Relay:
    """Passes connections on to the server, until it is told to cut them."""

    def __init__(self, server_port):
        self.server_port = server_port
        self.listener = socket.create_server((ADDRESS, 0), backlog=500)
        self.port = self.listener.getsockname()[1]
        self.sockets = set()
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection((ADDRESS, self.server_port))
            except OSError as error:
                log(f"the server takes no connection: {error}")
                client.close()
                continue
            with self.lock:
                self.sockets |= {client, server}
            for source, target in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    def carry(self, source, target):
        buffer = bytearray(PIECE_BYTES)
        view = memoryview(buffer)
        try:
            while count := source.recv_into(buffer):
                target.sendall(view[:count])
        except OSError:
            pass  # Cut, or the other side has gone.
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # It is closed already.
        with self.lock:
            self.sockets.discard(source)
        # The other direction still writes to it; its own reading end is over.
        threading.Thread(target=self.close_later, args=(source, target), daemon=True).start()

    def close_later(self, source, target):
        with self.lock:
            is_over = target not in self.sockets
        if is_over:
            source.close()
            target.close()

    def cut(self, cuts):
        """Ends every connection as a network that breaks does: at once, and without a word of SSH."""
        with self.lock:
            sockets, self.sockets = self.sockets, set()
        for each in sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # It has ended by itself.
        with open(cuts, "a") as file:
            file.write("x")


def log(text):
    print(f"local/sftp_server.py: {text}", file=sys.stderr, flush=True)


def serve(options, work):
    setting = Setting(options, work)
    process, port, command, root = start(SERVERS[options.server], setting)
    relay = Relay(port)
    cuts = setting.path("cuts")
    write(cuts, "")
    signal.signal(signal.SIGUSR1, lambda *_: relay.cut(cuts))
    host_key = public_line(setting.host_key)
    ready = {
        "host": ADDRESS,
        "port": str(relay.port),
        "user": USER,
        "hostKey": " ".join(host_key.split()[:2]),
        "hostKeyFingerprint": fingerprint(host_key),
        "privateKey": setting.client_key,
        "publicKey": public_line(setting.client_key),
        "version": version(options.server, command),
        "pid": str(os.getpid()),
        "root": root,
        "cuts": cuts,
    }
    print(json.dumps(ready), flush=True)
    ended = os.pidfd_open(process.pid)
    while True:
        readable, _, _ = select.select([0, ended], [], [])
        if ended in readable:
            sys.exit(f"local/sftp_server.py: the server ended by itself with {process.wait()}")
        if not os.read(0, 4096):
            return


def main():
    options = arguments()
    take_signals()
    adopt_orphans()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    work = tempfile.mkdtemp(prefix="sftp-lambda-server-")
    try:
        serve(options, work)
    finally:
        end_all()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
