"""Every command of the pages is run as it stands there, in the order of its page, in one shell.

What needs an account, a registry or minutes is stood in for: such programs say nothing but what a test has them say,
and what they were asked is looked at afterwards. Blocks that begin with `OF_THE_TOOLS` are those of pull, push and
pushRetry: Tests/SystemTests/CommandLineDocumentationTests.swift runs them, with the real programs.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

from pages import PAGES, blocks, text_of, without_blocks
from serverless_file import ROOT, Service, load

sys.path.insert(0, str(ROOT / "local"))

from standins import StandIn  # noqa: E402

OF_THE_TOOLS = "set -a; . ./acme.env; set +a\n"
LIMIT_SECONDS = 120
# What is stood in for, and why it is not run.
STOOD_IN_FOR = {
    "aws": "needs an account; test_documents compares each command with botocore's models",
    "serverless": "needs an account",
    "npm": "needs its registry",
    "make": "takes minutes; CI runs make lint and make test, which package too, and test_demo runs the demo",
    "swift": "takes minutes; scripts/test builds and tests in the same way",
    "docker": "runs nowhere that tests run",
    "ssh-keyscan": "the partner of the examples has no server; it asks one of this machine",
}
# What is run as it is. Any other program is not found: so no page can have a command that nobody thought of.
RUN = ("cat", "date", "env", "grep", "jq", "python3", "rm", "ssh-keygen")
# What is at a reader's hand before the first command of a page.
AT_HAND = {
    "README.md": {"acme-key": "the key\n"},
    "docs/operate.md": {"acme-key-new": "the new key\n", "query": "fields @timestamp\n"},
}
# Not shown as a folder of the clone: what is built, and programs that are stood in for by their path.
NOT_IN_THE_CLONE = {".git", ".build", ".deps", "dist", "bench"}
NOTIFICATIONS = {"QueueConfigurations": [{"Id": "of somebody else"}]}
OBJECTS = {
    "in/sent.csv": {"synced": "true"}, "in/sent by the older one.csv": {"synched": "true"},
    "in/new one.csv": {}, "in/back\\slash.csv": {"mtime": "1"},
}
SECRET = {"Username": "acme", "PrivateKey": "the old key\n", "HostKey": "ssh-ed25519 AAAA"}
# What AWS answers, by service and operation, and where it depends on that by the object's key.
ANSWERS = {
    "s3api get-bucket-notification-configuration": NOTIFICATIONS,
    "s3api list-objects-v2": {"Contents": [{"Key": key} for key in OBJECTS]},
    **{f"s3api head-object {key}": {"Metadata": metadata} for key, metadata in OBJECTS.items()},
    "secretsmanager get-secret-value": {"SecretString": json.dumps(SECRET)},
}

# The program that stands in. It writes down what it was asked, with what the files among its arguments hold.
STAND_IN = r'''
import json, os, pathlib, re, subprocess, sys
name, words, folder = pathlib.Path(sys.argv[0]).name, sys.argv[1:], os.environ["STAND_INS"]
files = {}
for word in words:
    if word.startswith("file://"):
        files[word] = pathlib.Path(word.removeprefix("file://")).read_text()
with open(folder + "/calls", "a") as calls:
    print(json.dumps({"program": name, "words": words, "files": files}), file=calls)
setup = json.loads(pathlib.Path(folder, "setup").read_text())
if name == "aws":
    import jmespath
    given = {word: words[index + 1] for index, word in enumerate(words[:-1]) if word.startswith("--")}
    places = " ".join(words[:2] + [given.get("--key", "")]), " ".join(words[:2])
    answer = next((setup["answers"][place] for place in places if place in setup["answers"]), {})
    if "--query" in given:
        answer = jmespath.search(given["--query"], answer)
    if given.get("--output") == "text":
        cells = answer if isinstance(answer, list) else [answer]
        print("\t".join("None" if cell is None else str(cell) for cell in cells))
    else:
        print(json.dumps(answer))
elif name == "ssh-keyscan":
    assert words == ["-p", "22", "sftp.partner.example"], words
    sys.exit(subprocess.run(["/usr/bin/ssh-keyscan", "-p", str(setup["port"]), setup["host"]]).returncode)
elif name == "measure.py":
    sys.path.insert(0, setup["bench"])
    import measure
    measure.arguments(words)
'''


class Run:
    """The commands of a page, run. `calls` is what the stand-ins were asked; `folder` where the commands ran."""

    def __init__(self, page, folder, server=None):
        self.page, self.folder, self.calls = page, folder / "clone", []
        self._make_clone()
        programs = folder / "bin"
        programs.mkdir()
        text = f"#!{sys.executable} -B\n{STAND_IN}"
        for name in RUN:
            (programs / name).symlink_to(pathlib.Path("/usr/bin", name))
        for place in [*(programs / name for name in STOOD_IN_FOR), self.folder / "bench" / "measure.py"]:
            place.write_text(text)
            place.chmod(0o755)
        setup = {"answers": ANSWERS, "bench": str(ROOT / "bench")}
        setup |= {"host": server["host"], "port": server["port"]} if server else {}
        (folder / "setup").write_text(json.dumps(setup))
        for name, content in AT_HAND.get(page, {}).items():
            (self.folder / name).write_text(content)
        script = "set -eu\n" + "".join(
            f"printf '%s\\n' '{page}:{block.line}' >>\"$STAND_INS/begun\"\n{block.text}" for block in runnable(page))
        result = subprocess.run(
            ["/bin/bash", "-c", script], cwd=self.folder, timeout=LIMIT_SECONDS, capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": str(programs), "HOME": str(folder), "STAND_INS": str(folder)})
        self.status, self.output, self.errors = result.returncode, result.stdout, result.stderr
        self.begun = lines(folder / "begun")
        self.calls = [json.loads(line) for line in lines(folder / "calls")]

    def _make_clone(self):
        self.folder.mkdir()
        (self.folder / "bench").mkdir()
        for path in ROOT.iterdir():
            if path.name not in NOT_IN_THE_CLONE:
                (self.folder / path.name).symlink_to(path)

    def of(self, *beginning):
        """The calls that begin with these words, the program's name first."""
        return [call for call in self.calls if [call["program"], *call["words"]][:len(beginning)] == list(beginning)]


def runnable(page):
    """The blocks that are run here."""
    return [block for block in blocks(page) if block.language == "sh" and not block.text.startswith(OF_THE_TOOLS)]


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


class CommandTests(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        place = tempfile.TemporaryDirectory(prefix="sftp-lambda-commands-")
        cls.addClassCleanup(place.cleanup)
        folder = pathlib.Path(place.name)
        server = StandIn("sshd", "--root", folder / "partner", log=folder / "sshd.log")
        cls.addClassCleanup(server.stop)
        cls.server, cls.runs = server, {}
        for page in PAGES:
            if runnable(page):
                own = folder / page.replace("/", "-")
                own.mkdir()
                cls.runs[page] = Run(page, own, server)

    def test_every_command_of_every_page_works(self):
        self.assertGreaterEqual(len(self.runs), 8)
        for page, run in self.runs.items():
            with self.subTest(page):
                self.assertEqual(run.status, 0, f"behind {run.begun[-1:]}: {run.errors}")
                self.assertEqual(run.begun, [f"{page}:{block.line}" for block in runnable(page)])
                self.assertNotRegex(run.errors, "Traceback|command not found|No such file")

    def test_every_fence_says_what_it_holds(self):
        """Commands are `sh`, whatever else is something else: or else a command could stand where no test sees it."""
        programs = {*STOOD_IN_FOR, "pull", "push", "pushRetry", "ssh", "ssh-keygen", "jq", "python3", "docker", "git"}
        for page in PAGES:
            for block in blocks(page):
                with self.subTest(f"{page}:{block.line}"):
                    self.assertNotIn(block.language, ("", "bash", "shell", "console", "zsh"))
                    if block.language != "sh":
                        first = {line.split()[0] for line in block.text.splitlines() if line.strip()}
                        self.assertFalse(first & programs, "commands in a block that is not `sh`")
            self.assertNotRegex(without_blocks(page), r"\n\n {4,}(?![-*\d ])\S", f"{page}: a block without fences")

    def test_what_make_is_asked_for_can_be_made(self):
        targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
        for call in self.calls_of("make"):
            self.assertLessEqual({word for word in call["words"] if "=" not in word}, targets)
        for page in PAGES:
            told = set(re.findall(r"`make ([a-z-]+)", without_blocks(page)))
            self.assertLessEqual(told, targets, page)

    def test_what_serverless_is_given_are_parameters_of_the_file(self):
        known = set(load("serverless.yml")["params"]["default"]) | {"host", "hostKey"}
        calls = self.calls_of("serverless")
        self.assertGreaterEqual(len(calls), 3)
        for call in calls:
            self.assertIn(call["words"][0], ("deploy", "remove"))
            options = [word for word in call["words"] if word.startswith("--")]
            others = [option for option in options if not option.startswith("--param=")]
            self.assertEqual(others, ["--stage", "--region"])
            given = dict(option.removeprefix("--param=").split("=", 1) for option in options if "=" in option)
            self.assertLessEqual(set(given), known)
            if "host" in given:
                # As the framework would: what is wrong is refused.
                Service("acme", given=given).template()

    def test_what_swift_is_asked_for_is_there(self):
        sources = "".join(path.read_text() for path in (ROOT / "Tests").rglob("*.swift"))
        for call in self.calls_of("swift"):
            verb, *rest = call["words"]
            self.assertIn(verb, ("build", "test"))
            for option, value in zip(rest[::2], rest[1::2]):
                self.assertIn(option, ("--filter", "--scratch-path"))
                if option == "--filter":
                    self.assertRegex(sources, rf"(struct|class) {value}\b")

    def test_what_docker_is_given_is_there(self):
        for run in self.runs.values():
            for call in run.of("docker", "build"):
                if "--file" in call["words"]:
                    self.assertTrue((ROOT / value_of(call, "--file")).exists())
            for call in run.of("docker", "run"):
                self.assertTrue({"pull", "push", "pushRetry"} & set(call["words"]))

    def test_the_secret_holds_the_login(self):
        for page in ("README.md", "docs/deploy.md"):
            (call,) = self.runs[page].of("aws", "secretsmanager", "create-secret")
            secret = json.loads(call["files"]["file:///dev/stdin"])
            self.assertEqual(sorted(secret), ["PrivateKey", "Username"])
            self.assertTrue(secret["PrivateKey"])
        self.assertIn("BEGIN OPENSSH PRIVATE KEY", secret["PrivateKey"])
        self.assertFalse((self.runs["docs/deploy.md"].folder / "acme-key").exists(), "the key is left on the disk")
        self.assertTrue((self.runs["docs/deploy.md"].folder / "acme-key.pub").exists())

    def test_the_new_key_takes_the_old_ones_place_in_the_secret(self):
        run = self.runs["docs/operate.md"]
        (call,) = run.of("aws", "secretsmanager", "put-secret-value")
        changed = json.loads(call["files"]["file:///dev/stdin"])
        self.assertEqual(changed, SECRET | {"PrivateKey": "the new key\n"})
        self.assertFalse((run.folder / "acme-key-new").exists(), "the key is left on the disk")

    def test_the_fingerprint_that_is_shown_is_the_servers(self):
        shown = re.findall(r"SHA256:\S+", self.runs["docs/deploy.md"].output)
        self.assertIn(fingerprint(self.server["hostKey"]), shown)

    def test_objects_without_a_mark_are_queued_and_no_others(self):
        run = self.runs["docs/operate.md"]
        expected = [key for key, metadata in OBJECTS.items() if "true" not in metadata.values()]
        self.assertEqual(lines(run.folder / "unmarked"), expected)
        bodies = [value_of(call, "--message-body") for call in run.of("aws", "sqs", "send-message")]
        bucket = "sftp-lambda-acme-outbox-123456789012-eu-central-1"
        self.assertEqual([json.loads(body) for body in bodies], [{"Bucket": bucket, "Key": key} for key in expected])

    def test_notifications_that_were_there_stay(self):
        calls = self.runs["docs/deploy.md"].of("aws", "s3api", "put-bucket-notification-configuration")
        (written,) = [content for call in calls for content in call["files"].values()]
        self.assertEqual(json.loads(written), {**NOTIFICATIONS, "EventBridgeConfiguration": {}})

    def test_settings_in_the_examples_are_settings(self):
        known = set(re.findall(r"^\| `(SFTP_\w+)`", text_of("docs/settings.md"), re.M))
        for page in PAGES:
            for block in blocks(page):
                if block.language == "ini":
                    names = re.findall(r"^(\w+)=", block.text, re.M)
                    self.assertLessEqual({name for name in names if not name.startswith("AWS_")}, known, page)

    def calls_of(self, program):
        found = [call for run in self.runs.values() for call in run.of(program)]
        self.assertTrue(found, f"no page asks for {program}")
        return found


class LinkTests(unittest.TestCase):
    def test_every_link_leads_to_a_file_and_a_heading(self):
        pages = [*PAGES, "CHANGELOG.md", "THIRD_PARTY.md"]
        seen = 0
        for page in pages:
            for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(page)):
                if re.match(r"https?:", target):
                    continue
                with self.subTest(f"{page}: {target}"):
                    seen += 1
                    name, _, anchor = target.partition("#")
                    path = (ROOT / page).parent / name if name else ROOT / page
                    self.assertTrue(path.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(path.read_text()))
        self.assertGreater(seen, 60)

    def test_paths_in_the_text_are_there(self):
        for page in PAGES:
            folders = "scripts|bench|local|diagrams|docs|deployment|examples"
            for path in re.findall(rf"`((?:{folders})/[\w./-]*)", without_blocks(page)):
                with self.subTest(f"{page}: {path}"):
                    self.assertTrue((ROOT / path).exists())


def anchors(text):
    """As GitHub makes them of headings: lower case, hyphens for blanks, without other punctuation."""
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def fingerprint(host_key):
    result = subprocess.run(
        ["/usr/bin/ssh-keygen", "-lf", "-"], input=host_key, capture_output=True, text=True, check=True)
    return result.stdout.split()[1]


def value_of(call, option):
    words = call["words"]
    return words[words.index(option) + 1]


if __name__ == "__main__":
    unittest.main()
