"""What the sources say of themselves: settings, programs, metrics, and the AWS operations that each function calls."""

import functools
import re

from serverless_file import ROOT

FUNCTIONS = ("pull", "push", "pushRetry")
CORE = ROOT / "Sources" / "SFTPLambdaCore"
ROOT_FILES = {
    "pull": "PullFunction.swift", "push": "PushFunction.swift", "pushRetry": "PushRetryFunction.swift",
}
# The one adapter that two functions use differently: what of it each uses, the flows tell.
QUEUE_FILE = "SQSRetryQueue.swift"

TYPE = re.compile(r"^(?:public |package )?(?:final |indirect )?(?:struct|class|actor|enum|protocol) ([A-Z]\w*)", re.M)
CLIENT = re.compile(r"\b(S3Client|SQSClient|SecretsManagerClient)\b")
METHOD = re.compile(r"^ *(?:@\w+ )*(?:public |package |private |fileprivate |static |mutating )*func (\w+)", re.M)
OPERATION = re.compile(r'(?:operation = |[cC]all\(\s*|changes\(\s*)"([A-Z]\w+)"')


def settings():
    """The settings and the functions that use each, from docs/settings.md, which is generated from the code."""
    found = {}
    rows = re.findall(r"^\| `(SFTP_\w+)` \| ([^|]+) \|", (ROOT / "docs" / "settings.md").read_text(), re.M)
    for name, users in rows:
        found[name] = set(FUNCTIONS) if users == "all" else set(users.split(", "))
    return found


def programs():
    """The programs that the package builds, and those that become zips."""
    package = set(re.findall(r"\.executable\(name: \"(\w+)\"", (ROOT / "Package.swift").read_text()))
    zips = re.search(r"^programs=\(([^)]*)\)", (ROOT / "scripts" / "package").read_text(), re.M)
    return package, set(zips[1].split())


def metrics():
    """The namespace, the dimensions' names, and for each function the names of the metrics that it emits in every run."""
    sources = {path.name: path.read_text() for path in CORE.rglob("*.swift")}
    (namespace,) = re.findall(r'static let namespace = "([^"]+)"', sources["EmbeddedMetrics.swift"])
    dimensions = set()
    for text in sources.values():
        for list_ in re.findall(r"EmbeddedMetrics\(.*?dimensions: \[(.*?)\]", text, re.S):
            dimensions |= set(re.findall(r'\.init\("(\w+)"', list_))
    added = {
        name: set(re.findall(r'metrics\.add\(\s*"(\w+)"', text))
        for name, text in sources.items()
        if "metrics.add(" in text
    }
    known = {"PullWork.swift", "PushReport.swift", "PushRetryReport.swift"}
    assert set(added) == known, f"metrics come from elsewhere too: {set(added)}"
    push = added["PushReport.swift"]
    retry = push | added["PushRetryReport.swift"]
    return namespace, dimensions, {"pull": added["PullWork.swift"], "push": push, "pushRetry": retry}


def failure_metrics():
    """The metrics that only a run with failures emits, one for each class of them."""
    text = (CORE / "Functions" / "FailureMetrics.swift").read_text()
    return set(re.findall(r'case \.\w+: "(\w+)"', text))


# The operations of AWS.


@functools.cache
def swift(module):
    """The sources of a module by file name, without comments."""
    return {path.name: without_comments(path.read_text()) for path in (ROOT / "Sources" / module).rglob("*.swift")}


def without_comments(text):
    return re.sub(r"(^|\s)//.*", r"\1", text)


def methods(text):
    """The methods of a file by name, each with its text; overloads joined."""
    starts = list(METHOD.finditer(text))
    found = {}
    for start, end in zip(starts, [*starts[1:], None]):
        found[start[1]] = found.get(start[1], "") + text[start.start() : end.start() if end else len(text)]
    return found


@functools.cache
def client_methods():
    """The methods of the clients of S3, SQS and Secrets Manager, each with the operations that it comes to call."""
    texts = {}
    for name, text in swift("AWS").items():
        if CLIENT.match(name):
            for method, body in methods(text).items():
                texts[method] = texts.get(method, "") + body
    direct = {method: set(OPERATION.findall(text)) for method, text in texts.items()}
    calls = {
        method: {other for other in texts if re.search(rf"\b{other}\(", body_of(text))}
        for method, text in texts.items()
    }
    return {method: set().union(*(direct[other] for other in closure(method, calls))) for method in texts}


def body_of(text):
    return text.partition("{")[2]


def closure(start, edges):
    reached, waiting = set(), [start]
    while waiting:
        item = waiting.pop()
        if item not in reached:
            reached.add(item)
            waiting += edges[item]
    return reached


@functools.cache
def reached_files(function):
    """The sources that a function can come to run: those that declare a type, or extend one by a method, which is used
    in one that is reached."""
    files = {**swift("Transfers"), **swift("SFTPLambdaCore")}
    declared = {name: set(TYPE.findall(text)) for name, text in files.items()}
    extended = {name: set(methods(text)) for name, text in files.items() if not declared[name]}
    edges = {}
    for name, text in files.items():
        words = set(re.findall(r"\b[A-Z]\w*", text))
        called = set(re.findall(r"\.(\w+)\(", text))
        edges[name] = {other for other in files if declared[other] & words or extended.get(other, set()) & called}
    return {name: files[name] for name in closure(ROOT_FILES[function], edges)}


def operations(function):
    """The AWS operations that a function can come to call."""
    files = dict(reached_files(function))
    queue = files.pop(QUEUE_FILE, None)
    texts = list(files.values())
    if queue:
        port = methods(swift("Transfers")["RetryQueue.swift"])
        used = {name for text in texts for name in re.findall(r"\bqueue\.(\w+)\(", text)} & set(port)
        parts = methods(queue)
        texts += [f"SQSClient {text}" for name, text in parts.items() if name in used or name not in port]
    found = set()
    for text in texts:
        if CLIENT.search(text):
            extends = re.search(rf"^extension {CLIENT.pattern}", text, re.M)
            for method in re.findall(r"\b(\w+)\(" if extends else r"\.(\w+)\(", text):
                found |= client_methods().get(method, set())
    return found
