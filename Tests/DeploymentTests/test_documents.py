"""What the pages of docs/ say of the deployment."""

import re
import unittest

import yaml
from flows import functions
from serverless_file import FLOWS, ROOT, Service, Stack, load

DEPLOY_PAGE = (ROOT / "docs" / "deploy.md").read_text()
# The properties by which AWS knows a resource in an account and region, or, of buckets, in the world.
NAMES = {
    "AlarmName", "BucketName", "DashboardName", "FunctionName", "LogGroupName", "Name", "QueueName", "TopicName",
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
        for name in ("README.md", "docs/deploy.md", "docs/operate.md"):
            commands = re.findall(r"serverless deploy(?:.*\\\n)*.*", (ROOT / name).read_text())
            for command in commands:
                self.assertIn('--param="runtime=provided.al2023"', command, name)
            if name != "docs/operate.md":
                self.assertTrue(commands, name)

    def test_log_lines_and_error_types_that_operators_look_for_are_written(self):
        page = (ROOT / "docs" / "operate.md").read_text()
        sources = "".join(path.read_text() for path in (ROOT / "Sources" / "SFTPLambdaCore").rglob("*.swift"))
        for heading, least in (("message", 9), ("error type", 10)):
            table = re.search(rf"^\| {heading} \|[^\n]*\n((?:\|[^\n]*\n)+)", page, re.M)[1]
            cells = [row.split("|")[1] for row in table.splitlines()[1:]]
            told = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
            self.assertGreaterEqual(len(told), least)
            for name in told:
                name = re.sub("^push(Retry)? finished$", r"\\(function.rawValue) finished", name)
                self.assertIn(f'"{name}"', sources)

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
                (resource["Type"], value)
                for resource in stack.resources.values()
                for key, value in resource["Properties"].items()
                if key in NAMES and isinstance(value, str) and not value.startswith("<")
            })
        self.assertFalse(names[0] & names[1])


if __name__ == "__main__":
    unittest.main()
