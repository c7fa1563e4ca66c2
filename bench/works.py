"""What is measured: each task makes its files or objects, has a peer do the work, and checks every byte of it."""

import hashlib
import json
import random
import urllib.parse

from peers.functions import SOURCE, TARGET
from stage import BUCKET

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
PIECE_BYTES = MIB


class Task:
    """So many files of one size. `settings` are more environment variables of the function."""

    flow = ""
    keeps_objects = False
    is_fresh = False  # Whether each event gets a process, and so a connection, of its own; the median counts then.
    one_key = None  # The one object that a command is to copy.

    def __init__(self, count, size, directories=1, round_trip_milliseconds=0):
        self.count, self.size, self.directories = count, size, directories
        self.round_trip_milliseconds = round_trip_milliseconds
        self.settings = {}

    def names(self):
        for number in range(self.count):
            folder = f"d{number % self.directories:03d}/" if self.directories > 1 else ""
            yield f"{folder}file-{number:06d}"

    def prepare(self, stage, peer):
        """Makes what is to be transferred."""

    def events(self, peer):
        """What the peer is invoked with, one after the other."""
        return [b"{}"]

    def seconds(self, performed, started):
        """What of one process counts, in seconds: what its invocations took together, and what its start took."""
        return started + performed

    def check(self, stage, peer):
        """Asserts that every byte is where it belongs."""


class Pull(Task):
    flow = "pull"

    def prepare(self, stage, peer):
        self.source = stage.tree / SOURCE
        self.hashes = {}
        generator = random.Random(self.count)
        for name in self.names():
            path = self.source / name
            path.parent.mkdir(parents=True, exist_ok=True)
            self.hashes[name] = write_random(path, self.size, generator)

    def check(self, stage, peer):
        if peer.name == "sftp":
            for name, expected in self.hashes.items():
                assert sha256(stage.work / "local" / "pulled" / name) == expected, f"{name} has other bytes"
            return
        objects = stage.objects()
        for name, expected in self.hashes.items():
            found = objects.pop(name)
            path = self.source / name
            if peer.name == "ours":
                assert not path.exists(), f"{name} is not moved"
                path = path.parent / ".done" / path.name
            if found["parts"] is None:
                assert found["sha256"] == expected, f"{name} has other bytes in S3"
            else:
                check_parts(path, found["parts"])
            assert path.stat().st_size == found["length"], f"{name} has another size in S3"
        assert not objects, f"{len(objects)} objects that no file was"


class Push(Task):
    flow = "push"
    keeps_objects = True

    def prepare(self, stage, peer):
        self.target = stage.tree / TARGET
        self.target.mkdir()
        local = stage.work / "local"
        local.mkdir()
        generator = random.Random(self.count)
        self.hashes = {name: write_random(local / name, self.size, generator) for name in self.names()}
        if peer.name != "sftp":
            for name in self.names():
                stage.put(name, local / name)
                (local / name).unlink()

    def events(self, peer):
        if not peer.takes_one_object_at_a_time:
            return [None]
        return [notification(name) for name in self.names()]

    def check(self, stage, peer):
        objects = stage.objects()
        for name, expected in self.hashes.items():
            assert sha256(self.target / name) == expected, f"{name} has other bytes on the server"
            if peer.name == "ours":
                assert objects[name]["metadata"].get("x-amz-meta-synced") == "true", f"{name} is not marked"
        others = {path.name for path in self.target.iterdir()} - self.hashes.keys()
        assert not others, f"left on the server: {others}"


class SmallPush(Push):
    """One small object over a connection of its own; the count is how often it is done."""

    is_fresh = True

    def seconds(self, performed, started):
        return performed

    def events(self, peer):
        for name in self.names():
            self.one_key = name
            yield notification(name)


class Retry(Push):
    flow = "pushRetry"

    def prepare(self, stage, peer):
        super().prepare(stage, peer)
        for name in self.names():
            stage.queue("SendMessage", MessageBody=notification(name).decode())

    def events(self, peer):
        return [b"{}"]

    def check(self, stage, peer):
        super().check(stage, peer)
        counts = stage.queue("GetQueueAttributes", AttributeNames=["All"])["Attributes"]
        assert set(counts.values()) == {"0"}, f"left on the queue: {counts}"


class Start(Task):
    """The start of the process, up to its first request for an invocation; the count is how often it is done."""

    flow = "push"
    is_fresh = True

    def prepare(self, stage, peer):
        (stage.tree / TARGET).mkdir()

    def seconds(self, performed, started):
        return started

    def events(self, peer):
        return [b'{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucket"}'] * self.count


class Listing(Task):
    """A listing of files of which none is to be transferred: what is asked is the memory that a file costs."""

    flow = "pull"

    def prepare(self, stage, peer):
        self.settings["SFTP_EXCLUDE"] = "file-*"
        folder = stage.tree / SOURCE
        folder.mkdir()
        for name in self.names():
            (folder / name).touch()

    def check(self, stage, peer):
        assert not stage.objects(), "nothing was to be transferred"


def notification(key):
    """What S3 sends when an object was stored."""
    s3 = {"s3SchemaVersion": "1.0", "bucket": {"name": BUCKET}, "object": {"key": urllib.parse.quote_plus(key)}}
    record = {"eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put", "s3": s3}
    return json.dumps({"Records": [record]}).encode()


def write_random(path, size, generator):
    """A file of random bytes; returns their SHA-256."""
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for offset in range(0, size, PIECE_BYTES):
            piece = generator.randbytes(min(size - offset, PIECE_BYTES))
            file.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_parts(path, parts):
    """Asserts that the parts of an object, put together, are the file."""
    with open(path, "rb") as file:
        for number, (expected, length) in enumerate(parts, 1):
            digest = hashlib.sha256()
            while length:
                piece = file.read(min(length, PIECE_BYTES))
                assert piece, f"{path.name} is shorter in S3"
                digest.update(piece)
                length -= len(piece)
            assert digest.hexdigest() == expected, f"{path.name} has other bytes in part {number}"
        assert not file.read(1), f"{path.name} is longer than in S3"


TASKS = {"pull": Pull, "push": Push, "small-push": SmallPush, "retry": Retry, "start": Start, "listing": Listing}
