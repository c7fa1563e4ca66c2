"""What the stand-ins that start other programs share: a free port, the end of everything that was started, key pairs."""

import base64
import ctypes
import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/usr/bin:/sbin:/bin"
END_TIMEOUT_SECONDS = 5

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

libc = ctypes.CDLL(None, use_errno=True)


def take_signals():
    """Lets every signal through, for this process and those that it starts: who started it may have blocked them."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def adopt_orphans():
    """From now on what loses its parent below this process becomes a child of it, so that end_all finds it."""
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent():
    """For a child before it becomes another program: it is killed when this process ends, however that ends."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_port(address):
    with socket.socket() as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def descendants():
    """The process ids below this one."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except OSError:
                continue  # It ended meanwhile.
            children.setdefault(parent, []).append(int(name))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def end_all():
    """Ends every process below this one: sessions too, which come to us when the server above them is gone."""
    deadline = time.monotonic() + END_TIMEOUT_SECONDS
    while pids := descendants():
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        if time.monotonic() > deadline:
            print(f"local/processes: still running after {END_TIMEOUT_SECONDS} s: {pids}", file=sys.stderr, flush=True)
            return
        time.sleep(0.002)


def make_key(name, kind, folder):
    """The path of an unencrypted private key in OpenSSH form, made unless it is there; the public one is beside it."""
    path = os.path.join(folder, f"{name}-{kind}")
    os.makedirs(folder, exist_ok=True)
    # Several servers can start at once with one cache.
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(f"{path}.pub"):
            bits = ["-b", "3072"] if kind == "rsa" else []
            run(["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", name, "-f", path])
    return path


def public_line(path):
    with open(f"{path}.pub") as file:
        return file.read().strip()


def fingerprint(line):
    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def run(command):
    command[0] = shutil.which(command[0], path=SEARCH_PATH) or command[0]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def write(path, text, mode=0o644):
    with open(path, "w") as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
