"""The examples of docs/containers.md: what AWS, Kubernetes and Docker are told."""

import json
import re
import shlex
import unittest

import botocore.session
import code_facts
import yaml
from botocore import xform_name
from botocore.validate import ParamValidator
from flows import BOTH, logical
from serverless_file import ROOT

FOLDER = ROOT / "examples" / "container"
PAGE = (ROOT / "docs" / "containers.md").read_text()


def read(name):
    return json.loads((FOLDER / name).read_text())


def cron_job():
    return yaml.safe_load((FOLDER / "cronjob.yaml").read_text())


def containers():
    """Each container of the examples: its command, and its variables with their values where they stand there."""
    (task,) = read("task-definition.json")["containerDefinitions"]
    job = read("batch-job.json")["containerProperties"]
    (pod,) = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return {
        "ECS": (task["command"], {item["name"]: item["value"] for item in task["environment"]}),
        "Batch": (job["command"], {item["name"]: item["value"] for item in job["environment"]}),
        "Kubernetes": (pod["args"], {item["name"]: item.get("value") for item in pod["env"]}),
    }


def standard_variables():
    """The variables that AWS tools know and the programs honour, from the page that is made from the code."""
    table = (ROOT / "docs" / "settings.md").read_text().partition("the variables that AWS tools know")[2]
    return set(re.findall(r"`(AWS_[A-Z_]+)`", table))


def options():
    """The options and the programs that have them, from the page that is made from the code."""
    page = (ROOT / "docs" / "command-line.md").read_text()
    rows = re.findall(r"^\| `(?:-\w, )?(--[\w-]+)(?: [A-Z]+)?` \| ([^|]+) \|", page, re.M)
    every = set(code_facts.FUNCTIONS)
    return {name: every if users == "all" else set(users.split(", ")) for name, users in rows}


def policy_actions(document):
    found = {}
    for item in document["Statement"]:
        actions = item["Action"] if isinstance(item["Action"], list) else [item["Action"]]
        found |= {action: item["Resource"] for action in actions}
    return found


class ContainerTests(unittest.TestCase):
    def commands(self):
        """The commands of the AWS CLI on the page, each as its words, without `aws`."""
        for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.S | re.M):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line)
                if words[:1] == ["aws"]:
                    yield words[1:]

    def test_the_commands_and_their_documents_are_what_aws_takes(self):
        session = botocore.session.get_session()
        documents = set()
        for service, operation, *rest in self.commands():
            with self.subTest(f"{service} {operation}"):
                model = session.get_service_model(service)
                known = {xform_name(name, "-"): name for name in model.operation_names}
                self.assertIn(operation, known)
                shape = model.operation_model(known[operation]).input_shape
                given = {word.removeprefix("--") for word in rest if word.startswith("--")}
                self.assertIn("region", given)
                members = {xform_name(name, "-"): name for name in shape.members}
                self.assertLessEqual(given - {"region", "cli-input-json"}, set(members))
                if "cli-input-json" not in given:
                    self.assertLessEqual(set(shape.required_members), {members[name] for name in given - {"region"}})
                    continue
                path = rest[rest.index("--cli-input-json") + 1].removeprefix("file://")
                document = json.loads((ROOT / path).read_text())
                report = ParamValidator().validate(document, shape)
                self.assertFalse(report.has_errors(), report.generate_report())
                # ParamValidator knows no enumerations.
                self.check_enumerations(document, shape)
                documents.add(path.rpartition("/")[2])
        roles = {"task-role.json", "task-role-trust.json"}
        self.assertEqual(documents | roles, {path.name for path in FOLDER.glob("*.json")})

    def check_enumerations(self, value, shape):
        if shape.type_name == "structure":
            for name, item in value.items():
                self.check_enumerations(item, shape.members[name])
        elif shape.type_name == "list":
            for item in value:
                self.check_enumerations(item, shape.member)
        elif shape.type_name == "string" and shape.enum:
            self.assertIn(value, shape.enum)

    def test_every_variable_is_a_setting_of_the_program_that_gets_it(self):
        settings = code_facts.settings()
        required = {
            "pull": {"SFTP_HOST", "SFTP_SOURCE_DIR", "SFTP_TARGET_S3_BUCKET"}, "push": {"SFTP_HOST"},
        }
        for name, (command, environment) in containers().items():
            with self.subTest(name):
                program = command[0]
                own = {setting for setting, users in settings.items() if program in users}
                self.assertLessEqual(set(environment), own | standard_variables())
                self.assertLessEqual(required[program] | {"AWS_REGION"}, set(environment))
                logs_in = {"SFTP_SECRET_ID"} & set(environment) or {"SFTP_USER", "SFTP_PRIVATE_KEY"}
                self.assertLessEqual(logs_in, set(environment))
                # Nothing secret stands in a file.
                for secret in ("SFTP_PRIVATE_KEY", "SFTP_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
                    self.assertIsNone(environment.get(secret))

    def test_every_command_is_one_that_the_programs_understand(self):
        commands = {name: command for name, (command, _) in containers().items()}
        (default,) = re.findall(r"^CMD (.*)$", (FOLDER / "Dockerfile").read_text(), re.M)
        commands["Dockerfile"] = json.loads(default)
        for number, line in enumerate(re.findall(r"docker run .*", PAGE)):
            words = shlex.split(line.split("`")[0])
            if "sftp-lambda" in words:
                commands[f"page {number}"] = words[words.index("sftp-lambda") + 1:]
        self.assertGreaterEqual(len(commands), 6)
        known = options()
        for name, (program, *arguments) in commands.items():
            with self.subTest(name):
                self.assertIn(program, code_facts.FUNCTIONS)
                for argument in arguments:
                    if argument.startswith("-"):
                        self.assertIn(program, known.get(argument, ()), argument)

    def test_the_task_may_do_what_the_function_may(self):
        (statements,) = (
            [item for policy in BOTH.resources[logical("pull", "Role")]["Properties"]["Policies"]
             for item in policy["PolicyDocument"]["Statement"]],
        )
        function = {action for action in policy_actions({"Statement": statements}) if not action.startswith("logs:")}
        task = policy_actions(read("task-role.json"))
        self.assertEqual(set(task), function)
        (container,) = read("task-definition.json")["containerDefinitions"]
        environment = {item["name"]: item["value"] for item in container["environment"]}
        bucket = f"arn:aws:s3:::{environment['SFTP_TARGET_S3_BUCKET']}"
        for action, resource in task.items():
            if action.startswith("s3:"):
                self.assertTrue(resource == bucket or resource.startswith(bucket + "/"), resource)
        secret = task["secretsmanager:GetSecretValue"]
        self.assertTrue(secret.endswith(f":secret:{environment['SFTP_SECRET_ID']}-??????"), secret)
        (trust,) = read("task-role-trust.json")["Statement"]
        self.assertEqual(trust["Principal"], {"Service": "ecs-tasks.amazonaws.com"})

    def test_whoever_ends_a_program_gives_it_the_time_that_it_takes(self):
        source = (ROOT / "Sources" / "CommandLineTool" / "Running" / "EndSignal.swift").read_text()
        (grace,) = map(int, re.findall(r"static let graceSeconds: Int32 = (\d+)", source))
        self.assertIn(f"at most {grace} seconds", " ".join(PAGE.split()))
        (task,) = read("task-definition.json")["containerDefinitions"]
        pod = cron_job()["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        given = [task["stopTimeout"], pod["terminationGracePeriodSeconds"]]
        given += map(int, re.findall(r"(?:-t|--stop-timeout) (\d+)", PAGE))
        self.assertEqual(len(given), 4)
        for seconds in given:
            self.assertGreater(seconds, grace)
        # Fargate takes no more.
        self.assertLessEqual(task["stopTimeout"], 120)

    def test_the_kubernetes_job_is_one(self):
        job = cron_job()
        self.assertEqual((job["apiVersion"], job["kind"]), ("batch/v1", "CronJob"))
        self.assertEqual(job["spec"]["concurrencyPolicy"], "Forbid")
        pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        self.assertEqual(pod["restartPolicy"], "Never")
        user = re.search(r"^USER (\d+):", (FOLDER / "Dockerfile").read_text(), re.M)[1]
        self.assertEqual(pod["securityContext"]["runAsUser"], int(user))

    def test_the_image_holds_every_program_and_takes_it_from_the_zips(self):
        dockerfile = (FOLDER / "Dockerfile").read_text()
        _, zips = code_facts.programs()
        (copied,) = re.findall(r"^COPY (.*) /zips/$", dockerfile, re.M)
        self.assertEqual(set(copied.split()), {f"{name}.zip" for name in zips})
        for name in zips:
            self.assertIn(f"/unpacked/{name} ", dockerfile)

    def test_documents_on_the_page_are_json(self):
        blocks = re.findall(r"^```json\n(.*?)^```", PAGE, re.S | re.M)
        self.assertEqual(len(blocks), 1)
        for block in blocks:
            self.assertIsInstance(json.loads(block), dict)


if __name__ == "__main__":
    unittest.main()
