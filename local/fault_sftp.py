#!/usr/bin/env python3
"""A real sftp-server with faults: this stands between it and a real sshd, as the sshd's ForceCommand, reads every request
and every answer, and breaks what the test says.

`--plan` is a file with {"rules": […], "fileSizeLimit": bytes, "smallDisk": {"path", "bytes"}, "tellsLimits": false}, read
at the start of each session. A server that does not tell its limits gets WRITEs of 32 KiB; of one that does, the first
ones may be as small. A rule is {"request", "path" (a part of it), "skip", "times", "moment": "before" or "after", …} and one of

    "status"   the request is answered with it: before it has had its effect, or after
    "do"       the partner acts: "remove", "append", "truncate" or "replace" the file at "on" (else that of the request)
    "end"      the session ends

`--seen` gets one line of JSON for each request with its answer's status, and one for each rule that was applied: what
was applied before in other sessions counts for `times`.
"""

import argparse
import ctypes
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading

SERVER = "/usr/lib/openssh/sftp-server"
NAMES = {
    3: "open", 4: "close", 5: "read", 6: "write", 7: "lstat", 8: "fstat", 9: "setstat", 10: "fsetstat", 11: "opendir",
    12: "readdir", 13: "remove", 14: "mkdir", 15: "rmdir", 16: "realpath", 17: "stat", 18: "rename",
}
EXTENSIONS = {b"posix-rename@openssh.com": "rename", b"fsync@openssh.com": "fsync", b"limits@openssh.com": "limits"}
BY_HANDLE = {"close", "read", "write", "fstat", "fsetstat", "readdir", "fsync"}
STATUS, HANDLE, EXTENDED = 101, 102, 200
LIMIT_SECONDS = 10
CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_BIND = 0x00020000, 0x4000, 0x40000, 0x1000
libc = ctypes.CDLL(None, use_errno=True)


def text(data, position):
    count = struct.unpack_from(">I", data, position)[0]
    return data[position + 4 : position + 4 + count], position + 4 + count


class Request:
    def __init__(self, packet, handles):
        self.kind = packet[0]
        self.id = struct.unpack_from(">I", packet, 1)[0]
        self.name = NAMES.get(self.kind, str(self.kind))
        self.path, self.target = "", ""
        position = 5
        if self.kind == EXTENDED:
            extension, position = text(packet, position)
            self.name = EXTENSIONS.get(extension, extension.decode("latin-1"))
        if position < len(packet):
            first, position = text(packet, position)
            self.path = handles.get(first, "?") if self.name in BY_HANDLE else first.decode("latin-1")
            if self.name == "rename":
                self.target = text(packet, position)[0].decode("latin-1")
        self.status = None
        self.after = None


class Session:
    def __init__(self, options):
        with open(options.plan) as file:
            self.plan = json.load(file)
        self.rules = self.plan.get("rules", [])
        self.seen = open(options.seen, "a+", buffering=1)
        self.seen.seek(0)
        applied = [line["rule"] for line in map(json.loads, self.seen) if "rule" in line]
        self.applied = [applied.count(index) for index in range(len(self.rules))]
        self.waiting, self.handles = {}, {}
        self.lock = threading.Lock()
        # Told whenever an answer has gone.
        self.answered = threading.Condition()
        self.has_begun = False

    def note(self, **line):
        with self.lock:
            self.seen.write(json.dumps(line) + "\n")

    def rule_for(self, request):
        for index, rule in enumerate(self.rules):
            if rule["request"] != request.name or rule.get("path", "") not in request.path + " " + request.target:
                continue
            if rule.get("skip", 0) > 0:
                rule["skip"] -= 1
                continue
            if self.applied[index] >= rule.get("times", 1):
                continue
            self.applied[index] += 1
            self.note(rule=index, request=request.name, path=request.path)
            return rule
        return None

    # The server

    def start(self):
        folder = None
        disk = self.plan.get("smallDisk")
        if disk:
            folder = SmallDisk(disk["path"], disk["bytes"])
        limit = self.plan.get("fileSizeLimit")

        def prepare():
            if limit:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        refused = [] if self.plan.get("tellsLimits", True) else ["-P", "limits"]
        self.server = subprocess.Popen(
            [SERVER, *refused], stdin=subprocess.PIPE, stdout=subprocess.PIPE, restore_signals=False, preexec_fn=prepare)
        threading.Thread(target=self.answers, daemon=True).start()
        try:
            self.requests()
        finally:
            self.server.stdin.close()
            self.server.wait()
            if folder:
                folder.close()

    def take(self, file):
        head = file.read(4)
        if len(head) < 4:
            return None
        return file.read(struct.unpack(">I", head)[0])

    def requests(self):
        source = os.fdopen(0, "rb", buffering=1 << 18)
        while (packet := self.take(source)) is not None:
            if packet[0] == 1:
                self.forward(packet)
                continue
            request = Request(packet, self.handles)
            rule = self.rule_for(request)
            if rule is not None and rule.get("moment", "before") == "before":
                if "do" in rule:
                    # What was asked for before has been done, so that the moment is just this one.
                    self.wait_for(lambda: not self.waiting)
                    act(rule, request)
                elif "end" in rule:
                    return
                else:
                    # A client may ask before it has been told the version.
                    self.wait_for(lambda: self.has_begun)
                    request.status = rule["status"]
                    self.note(request=request.name, path=request.path, target=request.target, status=request.status)
                    self.answer(status_packet(request.id, request.status))
                    if request.name == "close":
                        # The file is closed all the same, as by close(2); nobody hears of it.
                        request.after = {"swallow": True}
                        self.waiting[request.id] = request
                        self.forward(packet)
                    continue
            else:
                request.after = rule
            self.waiting[request.id] = request
            self.forward(packet)

    def wait_for(self, condition):
        with self.answered:
            if not self.answered.wait_for(condition, LIMIT_SECONDS):
                os._exit(1)

    def forward(self, packet):
        self.server.stdin.write(struct.pack(">I", len(packet)) + packet)
        self.server.stdin.flush()

    def answers(self):
        while (packet := self.take(self.server.stdout)) is not None:
            if packet[0] == 2:
                self.answer(packet)
                with self.answered:
                    self.has_begun = True
                    self.answered.notify_all()
                continue
            # Before it is answered: then the client may use its number again.
            with self.answered:
                request = self.waiting.pop(struct.unpack_from(">I", packet, 1)[0], None)
                self.answered.notify_all()
            if request is None:
                os._exit(1)
            self.take_answer(request, packet)

    def take_answer(self, request, packet):
        if packet[0] == HANDLE:
            self.handles[text(packet, 5)[0]] = request.path
        rule = request.after or {}
        if "swallow" in rule:
            return
        if "do" in rule:
            act(rule, request)
        elif "end" in rule:
            os._exit(0)
        elif "status" in rule:
            packet = status_packet(request.id, rule["status"])
        status = struct.unpack_from(">I", packet, 5)[0] if packet[0] == STATUS else 0
        self.note(request=request.name, path=request.path, target=request.target, status=status)
        self.answer(packet)

    def answer(self, packet):
        with self.lock:
            data = struct.pack(">I", len(packet)) + packet
            view = memoryview(data)
            try:
                while view:
                    view = view[os.write(1, view) :]
            except BrokenPipeError:
                pass  # Nobody hears it; but the server's answers are taken on, or it would never see its end.


def status_packet(number, status):
    message = b"said by the test"
    return bytes([STATUS]) + struct.pack(">III", number, status, len(message)) + message + struct.pack(">I", 0)


def act(rule, request):
    """What the partner does at just that moment."""
    path = rule.get("on") or request.path
    try:
        if rule["do"] == "remove":
            os.unlink(path)
        elif rule["do"] == "append":
            with open(path, "ab") as file:
                file.write(b"more")
        elif rule["do"] == "truncate":
            os.truncate(path, os.path.getsize(path) // 2)
        elif rule["do"] == "replace":
            with open(path + ".new", "wb") as file:
                file.write(b"another one")
            os.rename(path + ".new", path)
    except FileNotFoundError:
        pass  # It is gone by now.


class SmallDisk:
    """A disk of so many bytes over a folder, for this session alone; what it holds in the end goes to the folder."""

    def __init__(self, path, size):
        self.path = os.path.abspath(path)
        self.behind = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            raise OSError(ctypes.get_errno(), "no mounts of our own")
        if libc.mount(b"none", self.path.encode(), b"tmpfs", 0, f"size={size}".encode()):
            raise OSError(ctypes.get_errno(), f"cannot mount over {self.path}")
        self.copy(f"/proc/self/fd/{self.behind}", self.path)

    def close(self):
        self.copy(self.path, f"/proc/self/fd/{self.behind}")

    @staticmethod
    def copy(source, target):
        for name in os.listdir(target):
            inner = os.path.join(target, name)
            shutil.rmtree(inner) if os.path.isdir(inner) else os.unlink(inner)
        shutil.copytree(source, target, dirs_exist_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", required=True)
    parser.add_argument("--seen", required=True)
    parser.add_argument("--folder", required=True, help="the login directory")
    options = parser.parse_args()
    os.chdir(options.folder)
    Session(options).start()
    os._exit(0)


if __name__ == "__main__":
    main()
