"""What the pages of docs/ say of the deployment."""

import importlib.machinery
import importlib.util
import json
import re
import shlex
import shutil
import subprocess
import unittest

import botocore.session
import code_facts
import yaml
from botocore import xform_name
from flows import STACKS, functions
from pages import PAGES, blocks, text_of
from serverless_file import FLOWS, ROOT, Service, Stack, load

DEPLOY_PAGE = (ROOT / "docs" / "deploy.md").read_text()
# The properties by which AWS knows a resource in an account and region, or, of buckets, in the world.
NAMES = {
    "AlarmName", "BucketName", "DashboardName", "FunctionName", "LogGroupName", "Name", "QueueName", "TopicName",
}
# AWS CLI Command Reference, "Global options"; of commands that are no operations of AWS, those options that we use.
OF_THE_CLI = {"region", "query", "output", "cli-binary-format", "cli-read-timeout"}
MADE_BY_THE_CLI = {
    ("s3", "cp"): set(), ("logs", "tail"): {"since", "follow"},
    ("cloudformation", "deploy"): {"template-file", "stack-name", "parameter-overrides"},
}


class DocumentTests(unittest.TestCase):
    def test_every_parameter_is_explained_with_its_default(self):
        service = Service(given=FLOWS["both"])
        service.template()
        rows = re.findall(r"^\| `([a-z]\w*)` \| ([^|]+) \|", DEPLOY_PAGE, re.M)
        told = {name: default.strip().strip("`") for name, default in rows}
        expected = {
            name: "none" if value == "" else str(value).replace("${self:service}-${sls:stage}", "sftp-lambda-STAGE")
            for name, value in load("serverless.yml")["params"]["default"].items()
        }
        expected |= {"host": "**required**", "hostKey": "**required**"}
        self.assertEqual(told, expected)
        self.assertEqual(service.used, set(expected), "a parameter that nothing uses, or one without a default")

    def test_every_deploy_command_asks_for_the_runtime_that_aws_still_takes(self):
        for name in PAGES:
            commands = re.findall(r"serverless deploy(?:.*\\\n)*.*", text_of(name))
            for command in commands:
                self.assertIn('--param="runtime=provided.al2023"', command, name)
            if name in ("README.md", "docs/deploy.md"):
                self.assertTrue(commands, name)

    def test_log_lines_that_operators_look_for_are_written(self):
        page = (ROOT / "docs" / "operate.md").read_text()
        sources = "".join(path.read_text() for path in (ROOT / "Sources").rglob("*.swift"))
        for heading, least in (("message", 9),):
            table = re.search(rf"^\| {heading} \|[^\n]*\n((?:\|[^\n]*\n)+)", page, re.M)[1]
            cells = [row.split("|")[1] for row in table.splitlines()[1:]]
            told = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
            self.assertGreaterEqual(len(told), least)
            for name in told:
                name = re.sub("^push(Retry)? finished$", r"\\(function.rawValue) finished", name)
                self.assertIn(f'"{name}"', sources)

    def test_the_cost_is_that_of_what_is_deployed(self):
        loader = importlib.machinery.SourceFileLoader("cost", str(ROOT / "scripts" / "cost"))
        cost = importlib.util.module_from_spec(importlib.util.spec_from_loader("cost", loader))
        loader.exec_module(cost)
        alarms = {
            direction: len(STACKS[name].of_type("AWS::CloudWatch::Alarm"))
            for direction, name in (("pull", "pull with a password"), ("push", "push, filtered"))
        }
        self.assertEqual(cost.ALARMS, alarms)
        emitted = {function: len(names) for function, names in code_facts.metrics()[2].items()}
        self.assertEqual(cost.METRICS, {"pull": emitted["pull"], "push": emitted["push"] + emitted["pushRetry"]})
        parameters = load("serverless.yml")["params"]["default"]
        for direction, schedule in (("pull", "pullSchedule"), ("push", "pushRetrySchedule")):
            (minutes,) = re.findall(r"^rate\((\d+) minutes\)$", parameters[schedule])
            self.assertEqual(cost.RUNS[direction] * int(minutes), cost.DAYS * 24 * 60)
        self.assertEqual(cost.MEMORY * 1024, parameters["pushMemory"])
        self.assertEqual(cost.MEMORY * 1024 * 2, parameters["pullMemory"])

    def test_two_flows_side_by_side_share_no_name(self):
        """The example of docs/deploy.md."""
        (example,) = re.findall(r"```yaml\n(params:\n.*?)```", DEPLOY_PAGE, re.S)
        parameters = yaml.safe_load(example)["params"]
        self.assertEqual(len(parameters), 2)
        names = []
        for stage, own in parameters.items():
            stack = Stack(Service(stage, stage_parameters=own).template())
            self.assertTrue(functions(stack))
            names.append({
                (resource["Type"], value) for resource in stack.resources.values() for value in named(resource)
            })
        self.assertFalse(names[0] & names[1])

    def test_the_commands_of_the_docs_are_commands_of_aws(self):
        """Operations, options, and names of what a flow makes. Each says its region: some users have no default one."""
        clients = botocore.session.get_session()
        seen = 0
        for command in aws_commands():
            with self.subTest(" ".join(command)):
                service, operation, *rest = command
                options = {word.removeprefix("--") for word in rest if word.startswith("--")}
                self.assertIn("region", options)
                seen += 1
                options -= OF_THE_CLI
                if "cli-input-json" in options:
                    self.assert_input_fits(clients, *command)
                    continue
                if (service, operation) in MADE_BY_THE_CLI:
                    self.assertLessEqual(options, MADE_BY_THE_CLI[service, operation])
                    continue
                model = clients.get_service_model("s3" if service == "s3api" else service)
                known = {xform_name(name, "-"): name for name in model.operation_names}
                self.assertIn(operation, known)
                shape = model.operation_model(known[operation]).input_shape
                members = {xform_name(name, "-"): name for name in shape.members}
                self.assertLessEqual(options, set(members))
                self.assertLessEqual(set(shape.required_members), {members[option] for option in options})
        self.assertGreater(seen, 15)

    def assert_input_fits(self, clients, service, operation, *rest):
        """What a command reads from a file has what the operation requires, and nothing that it does not know."""
        name = rest[rest.index("--cli-input-json") + 1].removeprefix("file://")
        model = clients.get_service_model(service)
        (name_in_model,) = [known for known in model.operation_names if xform_name(known, "-") == operation]
        shape = model.operation_model(name_in_model).input_shape
        given = set(json.loads((ROOT / name).read_text()))
        self.assertLessEqual(given, set(shape.members))
        self.assertLessEqual(set(shape.required_members), given)

    def test_names_in_the_commands_are_those_of_the_flow(self):
        """Or else a reader copies a command that finds nothing."""
        stack = Stack(Service("acme", given=FLOWS["both"]).template())
        names = {value for resource in stack.resources.values() for value in named(resource)}
        names |= {"sftp-lambda-acme", "sftp-lambda-vpc"}
        for command in aws_commands():
            for word in command:
                for name in re.findall(r"(?:/aws/lambda/)?sftp-lambda-[\w-]+", word):
                    self.assertIn(name, names, " ".join(command))

    @unittest.skipUnless(shutil.which("jq"), "there is no jq")
    def test_switching_events_on_keeps_the_notifications_that_are_there(self):
        """And does so for a bucket without any, of which the AWS CLI prints nothing."""
        (program,) = re.findall(r"jq (--slurp )?'([^']+)' >notifications.json", DEPLOY_PAGE)
        command = ["jq", *program[0].split(), program[1]]
        for before in ({}, {"QueueConfigurations": [{"Id": "x"}]}):
            text = json.dumps(before) if before else ""
            after = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
            self.assertEqual(json.loads(after or "null"), {**before, "EventBridgeConfiguration": {}})

    def test_the_dockerfile_runs_the_steps_of_make_package(self):
        make = (ROOT / "Makefile").read_text()
        steps, target = [], "package"
        while target:
            before, commands = re.search(rf"^{target}:(.*?)(?: ##.*)?\n((?:\t.*\n)+)", make, re.M).groups()
            steps[:0] = [line.strip().removeprefix("@") for line in commands.splitlines()]
            target = before.strip()
        self.assertEqual(len(steps), 3)
        self.assertEqual(re.findall(r"^RUN (.*)", (ROOT / "Dockerfile").read_text(), re.M), steps)


def named(resource):
    """The names that a resource is known by."""
    return {
        value for key, value in resource["Properties"].items()
        if key in NAMES and isinstance(value, str) and not value.startswith("<")
    }


def aws_commands():
    """The commands of the AWS CLI in the blocks of shell of the pages, each as its words, without `aws`."""
    for page in PAGES:
        for block in blocks(page):
            if block.language != "sh":
                continue
            for line in block.text.replace("\\\n", " ").splitlines():
                lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
                lexer.whitespace_split = True
                words = list(lexer)
                for start in (index for index, word in enumerate(words) if word == "aws"):
                    others = (index for index in range(start, len(words)) if set(words[index]) <= set("|;<>()&"))
                    yield words[start + 1:next(others, None)]


if __name__ == "__main__":
    unittest.main()
