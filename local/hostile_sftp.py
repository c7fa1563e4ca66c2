#!/usr/bin/env python3
"""The SFTP server of a hostile partner: it speaks version 3 on standard input and output, behind a real sshd that runs it
as its ForceCommand, and decides on every byte that it sends.

Each scenario is a class below that lies in one way and is an honest server in memory in all others. Which one plays is
read at the start of each session from the file `--scenario-file`, so one sshd serves all of them. Every path that the
client named goes to the file `--requests`, one line of JSON each: what it tried to touch. Nothing is ever touched here:
all files are in memory, and gone with the session.
"""

import argparse
import json
import os
import struct
import time

INIT, VERSION, OPEN, CLOSE, READ, WRITE, LSTAT, FSTAT, SETSTAT, FSETSTAT, OPENDIR, READDIR = range(1, 13)
REMOVE, MKDIR, RMDIR, REALPATH, STAT, RENAME = range(13, 19)
STATUS, HANDLE, DATA, NAME, ATTRS = range(101, 106)
EXTENDED, EXTENDED_REPLY = 200, 201
OK, END, NO_SUCH_FILE, DENIED, FAILURE, BAD_MESSAGE, _, _, UNSUPPORTED = range(9)

DIRECTORY, FILE, LINK = 0o040755, 0o100644, 0o120777
TIME = 1_700_000_000
BATCH = 100
# With one more name of 64 KiB this is still less than the 256 KiB that a packet may have.
MAXIMUM_BATCH_BYTES = 128 << 10
# The requests noted down; a client that is made to ask for ever need not fill the disk.
MAXIMUM_NOTED = 20_000


def uint32(number):
    return struct.pack(">I", number)


def text(data):
    return uint32(len(data)) + data


def attributes(mode=None, size=None, modified=TIME):
    flags = (1 if size is not None else 0) | (4 if mode is not None else 0) | (8 if modified is not None else 0)
    data = uint32(flags)
    if size is not None:
        data += struct.pack(">Q", size)
    if mode is not None:
        data += uint32(mode)
    if modified is not None:
        data += uint32(modified) * 2
    return data


def name_entry(name, attrs, longname=b""):
    return text(name) + text(longname) + attrs


class Reader:
    def __init__(self, data):
        self.data, self.position = data, 0

    def uint32(self):
        self.position += 4
        return struct.unpack(">I", self.data[self.position - 4 : self.position])[0]

    def uint64(self):
        self.position += 8
        return struct.unpack(">Q", self.data[self.position - 8 : self.position])[0]

    def text(self):
        count = self.uint32()
        self.position += count
        return self.data[self.position - count : self.position]

    def size(self):
        """The size that an ATTRS says, if it does."""
        return self.uint64() if self.uint32() & 1 else None


class Server:
    """An honest server in memory. A path is what its parts are; the login directory is the empty path."""

    does = "nothing wrong: it shows that a scenario fails for its lie alone"
    extensions = {b"posix-rename@openssh.com": b"1", b"fsync@openssh.com": b"1", b"limits@openssh.com": b"1"}
    open_handles = 0

    def __init__(self, requests):
        self.requests, self.noted = requests, 0
        self.files = {(b"outgoing", b"good"): b"good"}
        self.folders = {(), (b"outgoing",), (b"incoming",)}
        self.handles, self.next_handle = {}, 0

    # The wire

    def run(self):
        while True:
            head = self.take(4)
            kind, *body = self.take(struct.unpack(">I", head)[0])
            reader = Reader(bytes(body))
            if kind == INIT:
                self.version(reader.uint32())
                continue
            self.request(kind, reader.uint32(), reader)

    def take(self, count):
        data = b""
        while len(data) < count:
            piece = os.read(0, count - len(data))
            if not piece:
                os._exit(0)
            data += piece
        return data

    def raw(self, data):
        view = memoryview(data)
        while view:
            view = view[os.write(1, view[: 1 << 20]) :]

    def drip(self, data, seconds=0.1):
        """Sends it byte by byte."""
        for byte in data:
            self.raw(bytes([byte]))
            time.sleep(seconds)

    def packet(self, kind, data):
        return uint32(len(data) + 1) + bytes([kind]) + data

    def send(self, kind, number, data=b""):
        self.raw(self.packet(kind, uint32(number) + data))

    def status(self, number, code, words=b""):
        self.send(STATUS, number, uint32(code) + text(words) + text(b""))

    def names(self, number, entries):
        self.send(NAME, number, uint32(len(entries)) + b"".join(entries))

    def version(self, _):
        pairs = b"".join(text(name) + text(data) for name, data in self.extensions.items())
        self.raw(self.packet(VERSION, uint32(3) + pairs))

    def note(self, operation, path):
        self.noted += 1
        if self.noted <= MAXIMUM_NOTED:
            line = json.dumps({"operation": operation, "path": path.decode("latin-1")})
            os.write(self.requests, line.encode() + b"\n")

    # Requests

    def request(self, kind, number, reader):
        method = {
            OPEN: self.open, CLOSE: self.close, READ: self.read, WRITE: self.write, LSTAT: self.lstat,
            STAT: self.lstat, FSTAT: self.fstat, SETSTAT: self.set_stat, FSETSTAT: self.set_open_stat,
            OPENDIR: self.open_directory, READDIR: self.read_directory, REMOVE: self.remove, MKDIR: self.make_directory,
            RENAME: self.rename, EXTENDED: self.extended,
        }.get(kind)
        if method is None:
            return self.status(number, UNSUPPORTED)
        method(number, reader)

    def path(self, operation, reader):
        data = reader.text()
        self.note(operation, data)
        return tuple(part for part in data.split(b"/") if part not in (b"", b"."))

    def handle(self, number, state):
        self.next_handle += 1
        name = b"h%d" % self.next_handle
        self.handles[name] = state
        self.send(HANDLE, number, text(name))

    def attributes_of(self, path):
        if path in self.files:
            return attributes(FILE, len(self.files[path]))
        return attributes(DIRECTORY) if path in self.folders else None

    def entries(self, path):
        """The entries of a directory, without an end if need be."""
        for other in sorted(self.folders | set(self.files)):
            if len(other) == len(path) + 1 and other[:-1] == path:
                yield name_entry(other[-1], self.attributes_of(other))

    def open(self, number, reader):
        path, flags = self.path("open", reader), reader.uint32()
        if flags & 8:
            if path[:-1] not in self.folders:
                return self.status(number, NO_SUCH_FILE)
            if flags & 32 and path in self.files:
                return self.status(number, FAILURE)
            self.files[path] = b""
        elif path not in self.files:
            return self.status(number, NO_SUCH_FILE)
        self.handle(number, path)

    def close(self, number, reader):
        self.handles.pop(reader.text(), None)
        self.status(number, OK)

    def read(self, number, reader):
        path, offset, count = self.handles[reader.text()], reader.uint64(), reader.uint32()
        data = self.content(path, offset, min(count, 255 << 10))
        if not data:
            return self.status(number, END)
        self.send(DATA, number, text(data))

    def content(self, path, offset, count):
        return self.files.get(path, b"")[offset : offset + count]

    def write(self, number, reader):
        path, offset, data = self.handles[reader.text()], reader.uint64(), reader.text()
        old = self.files[path]
        self.files[path] = old[:offset] + data + old[offset + len(data) :]
        self.status(number, OK)

    def lstat(self, number, reader):
        attrs = self.attributes_of(self.path("stat", reader))
        self.status(number, NO_SUCH_FILE) if attrs is None else self.send(ATTRS, number, attrs)

    def fstat(self, number, reader):
        attrs = self.attributes_of(self.handles[reader.text()])
        self.status(number, NO_SUCH_FILE) if attrs is None else self.send(ATTRS, number, attrs)

    def set_stat(self, number, reader):
        self.path("setstat", reader)
        self.status(number, OK)

    def set_open_stat(self, number, _):
        self.status(number, OK)

    def open_directory(self, number, reader):
        path = self.path("opendir", reader)
        if not self.is_folder(path):
            return self.status(number, NO_SUCH_FILE)
        self.handle(number, self.entries(path))

    def is_folder(self, path):
        return path in self.folders

    def read_directory(self, number, reader):
        entries, batch, size = self.handles[reader.text()], [], 0
        while len(batch) < BATCH and size < MAXIMUM_BATCH_BYTES and (entry := next(entries, None)) is not None:
            batch.append(entry)
            size += len(entry)
        self.names(number, batch) if batch else self.status(number, END)

    def remove(self, number, reader):
        gone = self.files.pop(self.path("remove", reader), None)
        self.status(number, NO_SUCH_FILE if gone is None else OK)

    def make_directory(self, number, reader):
        path = self.path("mkdir", reader)
        if path in self.folders:
            return self.status(number, FAILURE)
        self.folders.add(path)
        self.status(number, OK)

    def rename(self, number, reader, replaces=False):
        old, new = self.path("rename", reader), self.path("rename", reader)
        if old not in self.files:
            return self.status(number, NO_SUCH_FILE)
        if new in self.files and not replaces:
            return self.status(number, FAILURE)
        self.files[new] = self.files.pop(old)
        self.status(number, OK)

    def extended(self, number, reader):
        name = reader.text()
        if name == b"posix-rename@openssh.com":
            return self.rename(number, reader, replaces=True)
        if name == b"limits@openssh.com":
            return self.limits(number)
        self.status(number, OK)

    def limits(self, number):
        self.send(EXTENDED_REPLY, number, struct.pack(">QQQQ", 256 << 10, 255 << 10, 255 << 10, self.open_handles))


scenarios = {"honest": Server}


def scenario(name, does):
    """Registers a class under the name by which a test asks for it."""

    def register(kind):
        kind.does = does
        scenarios[name] = kind
        return kind

    return register


# Names


class Listed(Server):
    """The source directory has `listed` besides the good file. Whatever is opened there, by any name, has content."""

    listed = []

    def entries(self, path):
        if path == (b"outgoing",):
            for name in self.listed:
                yield name_entry(name, attributes(FILE, 4))
        yield from super().entries(path)

    def open(self, number, reader):
        start = reader.position
        path, flags = self.path("open", reader), reader.uint32()
        if not flags & 8:
            self.files.setdefault(path, b"evil")
        reader.position = start
        self.noted -= 1
        super().open(number, reader)


def lists(scenario_name, does, *names):
    scenario(scenario_name, does)(type("Names", (Listed,), {"listed": list(names)}))


lists("names-slash", "names with a slash: `sub/file`, `/etc/passwd`, `dir/`", b"sub/file", b"/etc/passwd", b"dir/")
lists(
    "names-parent", "names that lead upwards: `..`, `../up`, `../../.ssh/authorized_keys`, `.`", b"..", b"../up",
    b"../../.ssh/authorized_keys", b".",
)
lists("names-nul", "a name with NUL, and an empty one", b"before\0after", b"")
lists("names-64-KiB", "40 names of 64 KiB, with no slash in them", *[b"%02d" % n + b"\1" * 65534 for n in range(40)])
lists("names-over-key", "a name of 1,100 bytes: longer than a key of S3", b"n" * 1100)
lists(
    "names-control", "a name with a line feed, JSON and escape sequences of a terminal",
    b'x\n{"level":"info","message":"forged"}\n\x1b[2Jy',
)
lists("names-not-UTF-8", "names that are not UTF-8: `ff fe`, an overlong slash, a lone surrogate",
      b"\xff\xfe", b"..\xc0\xaf..\xc0\xafup", b"\xed\xa0\x80")
lists("names-backslash", "names that lead elsewhere on Windows: `..\\up`, `C:\\up`", b"..\\up", b"C:\\up")
lists("names-twice", "one name three times in a listing", b"twice", b"twice", b"twice")
lists("names-reserved", "a file named `.done`, and one with a name as of our temporary files", b".done",
      b".sftp-lambda.0123456789abcdef.x.part")


# Directories


@scenario("loop", "a directory that contains itself")
class Loop(Server):
    part = b"loop"
    copies = 1

    def entries(self, path):
        for number in range(self.copies):
            yield name_entry(self.part + (b"%d" % number if self.copies > 1 else b""), attributes(DIRECTORY))
        if path == (b"outgoing",):
            yield from super().entries(path)

    def is_folder(self, path):
        return path[:1] == (b"outgoing",)


@scenario("loop-long-name", "a directory that contains itself, with a name of 250 bytes")
class LoopLongName(Loop):
    part = b"l" * 250


@scenario("loop-forked", "a directory that contains itself under two names: 2^64 ways down")
class LoopForked(Loop):
    copies = 2


class Endless(Server):
    """A directory whose entries are packets made once: `packed` entries each, `count` in all or without an end."""

    packed = BATCH
    count = None
    mode = LINK
    width = 8

    def packets(self):
        """Bodies of NAME packets with distinct names, taken in turn."""
        bodies, number = [], 0
        for _ in range(64):
            entries = []
            for _ in range(self.packed):
                entries.append(name_entry(b"%0*d" % (self.width, number), attributes(self.mode, None, None)))
                number += 1
            bodies.append(uint32(self.packed) + b"".join(entries))
        return bodies

    def open_directory(self, number, reader):
        self.path("opendir", reader)
        if not hasattr(self, "bodies"):
            self.bodies = self.packets()
        self.handle(number, [0])

    def read_directory(self, number, reader):
        state = self.handles[reader.text()]
        if self.count is not None and state[0] * self.packed >= self.count:
            return self.status(number, END)
        self.send(NAME, number, self.bodies[state[0] % len(self.bodies)])
        state[0] += 1


@scenario("million-links", "a directory with a million entries, all links")
class MillionLinks(Endless):
    packed, count = 1000, 1_000_000


@scenario("million-files", "a directory with a million files, each of 2^31 bytes that are never sent")
class MillionFiles(Endless):
    packed, count = 1000, 1_000_000

    def packets(self):
        bodies = []
        for batch in range(64):
            names = (b"%08d" % (batch * self.packed + n) for n in range(self.packed))
            bodies.append(uint32(self.packed) + b"".join(name_entry(n, attributes(FILE, 1 << 31)) for n in names))
        return bodies

    def open(self, number, reader):
        self.path("open", reader)
        self.handle(number, ())

    def fstat(self, number, reader):
        self.send(ATTRS, number, attributes(FILE, 1 << 31))

    def read(self, number, reader):
        pass


@scenario("million-directories", "a directory with a million directories, each with as many")
class MillionDirectories(Endless):
    packed, count, mode = 1000, 1_000_000, DIRECTORY


@scenario("endless-listing", "a listing that never ends and gives the same name again and again")
class EndlessListing(Server):
    def entries(self, path):
        entry = name_entry(b"again", attributes(FILE, 4))
        while True:
            yield entry

    def open(self, number, reader):
        self.files.setdefault((b"outgoing", b"again"), b"evil")
        super().open(number, reader)


@scenario("dense-packets", "40 directories that never end, in packets of 256 KiB with 15,000 short names each")
class DensePackets(Endless):
    packed, width = 15_000, 1

    def packets(self):
        entry = name_entry(b"x", attributes(LINK, None, None))
        return [uint32(self.packed) + entry * self.packed]

    def open_directory(self, number, reader):
        if self.path("opendir", reader) != (b"outgoing",):
            reader.position = 0
            reader.uint32()
            self.noted -= 1
            return super().open_directory(number, reader)
        self.handle(number, None)
        self.folders |= {(b"outgoing", b"d%d" % n) for n in range(40)}
        self.top = Server.entries(self, (b"outgoing",))

    def read_directory(self, number, reader):
        start = reader.position
        if self.handles[reader.text()] is not None:
            reader.position = start
            return super().read_directory(number, reader)
        batch = list(self.top)
        self.names(number, batch) if batch else self.status(number, END)


@scenario("long-names-held", "one open handle at a time, and 40,000 files with names of 1,000 bytes in a directory")
class LongNamesHeld(Server):
    open_handles = 1

    def entries(self, path):
        for number in range(40_000):
            yield name_entry(b"%08d" % number + b"n" * 992, attributes(FILE, 4))


@scenario("empty-names", "NAME packets with no name in them, for ever")
class EmptyNames(Server):
    def read_directory(self, number, reader):
        self.names(number, [])


# Packets


def malformed(scenario_name, does, method, answer):
    """A scenario that answers one kind of request with `answer(server, number)`."""
    kind = type("Malformed", (Server,), {method: lambda self, number, *_: answer(self, number)})
    scenario(scenario_name, does)(kind)


malformed("count-too-big", "a NAME packet that counts 4,294,967,295 names and holds none", "read_directory",
          lambda s, n: s.send(NAME, n, uint32(0xFFFFFFFF)))
malformed("length-too-big", "a packet that says it is 4 GiB long", "read_directory",
          lambda s, n: s.raw(uint32(0xFFFFFFFF) + bytes([NAME]) + uint32(n) + b"x" * 100_000))
malformed("length-of-257-KiB", "a packet just longer than any may be", "read_directory",
          lambda s, n: s.raw(uint32((257 << 10) + 1) + bytes([NAME]) + uint32(n) + b"x" * 300_000))
malformed("length-zero", "a packet of no bytes", "read_directory", lambda s, n: s.raw(uint32(0)))
malformed("name-too-long", "a NAME packet with a name of 4 GiB", "read_directory",
          lambda s, n: s.send(NAME, n, uint32(1) + uint32(0xFFFFFFF0) + b"x" * 20))
malformed("extended-count", "attributes with 4,294,967,295 extended pairs", "read_directory",
          lambda s, n: s.send(NAME, n, uint32(1) + name_entry(b"x", uint32(0x80000000) + uint32(0xFFFFFFFF))))
malformed("bytes-too-many", "a STATUS packet with 100 bytes behind its end", "read_directory",
          lambda s, n: s.send(STATUS, n, uint32(1) + text(b"") + text(b"") + b"x" * 100))
malformed("unknown-type", "a packet of type 250", "read_directory", lambda s, n: s.send(250, n, b"x"))
malformed("handle-too-long", "a handle of 1 KiB", "open", lambda s, n: s.send(HANDLE, n, text(b"h" * 1024)))
malformed("status-for-handle", "OPENDIR is answered by OK in place of a handle", "open_directory",
          lambda s, n: s.status(n, OK))
malformed("data-for-names", "READDIR is answered by DATA", "read_directory", lambda s, n: s.send(DATA, n, text(b"x")))
malformed("names-for-data", "READ is answered by a name", "read",
          lambda s, n: s.names(n, [name_entry(b"x", attributes(FILE, 4))]))
malformed("data-too-long", "READ is answered with one byte more than was asked for", "read",
          lambda s, n: s.send(DATA, n, text(b"x" * (255 * 1024 + 1))))
malformed("data-length-lies", "DATA whose length field counts more than the packet holds", "read",
          lambda s, n: s.send(DATA, n, uint32(0x7FFFFFFF) + b"good"))
malformed("reply-to-nobody", "a reply to a request that was never sent", "read_directory",
          lambda s, n: s.status(n + 0x10000, OK))
malformed("reply-twice", "every READDIR is answered twice", "read_directory",
          lambda s, n: (s.status(n, END), s.status(n, END)))
malformed("limits-cut-short", "an answer to limits@openssh.com of 3 bytes", "limits",
          lambda s, n: s.send(EXTENDED_REPLY, n, b"abc"))
malformed("status-text", "a refusal with 200 KiB of text, line feeds and escape sequences in it", "open_directory",
          lambda s, n: s.status(n, DENIED, b'\n{"level":"info"}\x1b[2J' * 10_000))
malformed("flood", "replies to nobody without end, and no request is read any more", "read_directory",
          lambda s, n: [s.status(n + 1 + i, OK) for i in range(10_000_000)])
malformed("cut-off", "the connection ends in the middle of a packet", "read_directory",
          lambda s, n: (s.raw(uint32(1000) + bytes([NAME]) + uint32(n)), os._exit(0)))


@scenario("limits-huge", "limits@openssh.com says that everything may be 2^64 - 1 bytes")
class LimitsHuge(Server):
    def limits(self, number):
        self.send(EXTENDED_REPLY, number, b"\xff" * 32)


@scenario("many-extensions", "a VERSION packet with 12,000 extensions")
class ManyExtensions(Server):
    extensions = Server.extensions | {b"x%05d@x" % n: b"" for n in range(12_000)}


# Sizes


@scenario("grows-for-ever", "a file of 4 bytes by its attributes, whose READs always give all that they ask for")
class GrowsForEver(Server):
    def content(self, path, offset, count):
        return b"x" * count


@scenario("grows-and-says-so", "a file that is 1 MiB larger at every look, by its attributes too")
class GrowsAndSaysSo(GrowsForEver):
    size = 0

    def attributes_of(self, path):
        if path != (b"outgoing", b"good"):
            return super().attributes_of(path)
        self.size += 1 << 20
        return attributes(FILE, self.size)


@scenario("ends-early", "a file of 20 MiB by all attributes, that ends after 4 bytes")
class EndsEarly(Server):
    def attributes_of(self, path):
        return attributes(FILE, 20 << 20) if path in self.files else super().attributes_of(path)


@scenario("one-byte-a-read", "a file of 300 KiB that gives one byte for each READ")
class OneByteARead(EndsEarly):
    def attributes_of(self, path):
        return attributes(FILE, 300 << 10) if path in self.files else Server.attributes_of(self, path)

    def content(self, path, offset, count):
        return b"x" if offset < 300 << 10 else b""


@scenario("size-of-2-to-64", "a file of 2^64 - 1 bytes")
class Huge(GrowsForEver):
    def attributes_of(self, path):
        return attributes(FILE, (1 << 64) - 1) if path in self.files else super().attributes_of(path)


@scenario("no-size", "nothing says how large the file is: not the listing, LSTAT or FSTAT")
class NoSize(Server):
    def attributes_of(self, path):
        return attributes(FILE, None) if path in self.files else super().attributes_of(path)


@scenario("no-kind", "nothing says what the entry is")
class NoKind(Server):
    def attributes_of(self, path):
        return attributes(None, 4) if path in self.files else super().attributes_of(path)


@scenario("rename-lies", "a rename that is OK and does nothing")
class RenameLies(Server):
    def rename(self, number, reader, replaces=False):
        self.path("rename", reader), self.path("rename", reader)
        self.status(number, OK)


@scenario("swapped-behind-the-move", "what stands in `.done` after the move has another size")
class Swapped(Server):
    def attributes_of(self, path):
        return attributes(FILE, 5) if b".done" in path and path in self.files else super().attributes_of(path)


# Time


@scenario("drip-version", "VERSION comes byte by byte, 10 a second, and is 200 bytes long")
class DripVersion(Server):
    def version(self, _):
        self.drip(self.packet(VERSION, uint32(3) + (text(b"x@x") + text(b"")) * 20))


@scenario("drip-listing", "the listing comes byte by byte, one a second")
class DripListing(Server):
    def raw(self, data):
        if len(data) > 4 and data[4] == NAME:
            return self.drip(data, seconds=1)
        super().raw(data)


@scenario("drip-content", "the content comes byte by byte, 10 a second")
class DripContent(Server):
    def __init__(self, requests):
        super().__init__(requests)
        self.files[b"outgoing", b"good"] = b"x" * 1000

    def raw(self, data):
        if len(data) > 4 and data[4] == DATA:
            return self.drip(data)
        super().raw(data)


malformed("silence", "READDIR is never answered", "read_directory", lambda s, n: None)


# For pushes


malformed("open-by-name", "OPEN is answered by a name", "open",
          lambda s, n: s.names(n, [name_entry(b"x", attributes(FILE, 4))]))
malformed("write-by-data", "WRITE is answered by DATA", "write", lambda s, n: s.send(DATA, n, text(b"x")))
malformed("write-silence", "WRITE is never answered", "write", lambda s, n: None)
malformed("write-refused", "WRITE is refused with 200 KiB of text", "write",
          lambda s, n: s.status(n, FAILURE, b'\n{"level":"info"}\x1b[2J' * 10_000))
malformed("no-such-folder", "every OPEN finds no directory, and every MKDIR works", "open",
          lambda s, n: s.status(n, NO_SUCH_FILE))


@scenario("write-twice", "every WRITE is answered twice")
class WriteTwice(Server):
    def write(self, number, reader):
        super().write(number, reader)
        self.status(number, OK)


@scenario("write-drips", "answers to WRITEs come byte by byte, 10 a second")
class WriteDrips(Server):
    def write(self, number, reader):
        self.drip(self.packet(STATUS, uint32(number) + uint32(OK) + text(b"") + text(b"")))


@scenario("every-name-taken", "every name is taken, whatever is asked for")
class EveryNameTaken(Server):
    def open(self, number, reader):
        self.path("open", reader)
        self.status(number, FAILURE)

    def attributes_of(self, path):
        return attributes(FILE, 4)


@scenario("taken-again", "every rename is refused, every removal works, and the name is always taken")
class TakenAgain(Server):
    def rename(self, number, reader, replaces=False):
        old, new = self.path("rename", reader), self.path("rename", reader)
        is_other = new[-1] != b"x" and new[-1] != b"target"
        self.status(number, OK if is_other else FAILURE)

    def remove(self, number, reader):
        self.path("remove", reader)
        self.status(number, OK)

    def attributes_of(self, path):
        return super().attributes_of(path) or attributes(FILE, 4)


@scenario("swallows", "WRITE and CLOSE are OK, and the file has half of the bytes")
class Swallows(Server):
    def attributes_of(self, path):
        return attributes(FILE, len(self.files[path]) // 2) if path in self.files else super().attributes_of(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario-file", help="the file whose text is the scenario's name")
    parser.add_argument("--requests", help="where the paths go that the client names")
    parser.add_argument("--list", action="store_true", help="print what each scenario does, as JSON, and end")
    options = parser.parse_args()
    if options.list:
        print(json.dumps({name: kind.does for name, kind in scenarios.items()}))
        return
    with open(options.scenario_file) as file:
        name = file.read().strip()
    requests = os.open(options.requests, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        scenarios[name](requests).run()
    except (BrokenPipeError, ConnectionResetError):
        pass


if __name__ == "__main__":
    main()
