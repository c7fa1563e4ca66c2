"""A role allows what its function calls, on what is its own, and nothing else."""

import fnmatch
import re
import unittest

import code_facts
from flows import BOTH, STACKS, logical
from serverless_file import ACCOUNT, FLOWS, ROOT, Service, Stack


class PermissionTests(unittest.TestCase):
    # What an operation needs, as its page in the API reference says. Here HEAD needs ListBucket too: without it S3 does
    # not tell that an object is missing.
    NEEDS = {
        "PutObject": {"s3:PutObject"},
        "GetObject": {"s3:GetObject"},
        "HeadObject": {"s3:GetObject", "s3:ListBucket"},
        "CopyObject": {"s3:GetObject", "s3:PutObject", "s3:GetObjectTagging", "s3:PutObjectTagging"},
        "GetObjectTagging": {"s3:GetObjectTagging"},
        "DeleteObject": {"s3:DeleteObject"},
        "ListObjectsV2": {"s3:ListBucket"},
        "CreateMultipartUpload": {"s3:PutObject"},
        "UploadPart": {"s3:PutObject"},
        "UploadPartCopy": {"s3:GetObject", "s3:PutObject"},
        "CompleteMultipartUpload": {"s3:PutObject"},
        "AbortMultipartUpload": {"s3:AbortMultipartUpload"},
        "ListParts": {"s3:ListMultipartUploadParts"},
        "ListMultipartUploads": {"s3:ListBucketMultipartUploads"},
        "GetQueueUrl": {"sqs:GetQueueUrl"},
        "GetQueueAttributes": {"sqs:GetQueueAttributes"},
        "SendMessage": {"sqs:SendMessage"},
        "SendMessageBatch": {"sqs:SendMessage"},
        "ReceiveMessage": {"sqs:ReceiveMessage"},
        "DeleteMessage": {"sqs:DeleteMessage"},
        "DeleteMessageBatch": {"sqs:DeleteMessage"},
        "ChangeMessageVisibility": {"sqs:ChangeMessageVisibility"},
        "ChangeMessageVisibilityBatch": {"sqs:ChangeMessageVisibility"},
        "GetSecretValue": {"secretsmanager:GetSecretValue"},
    }
    # What is not asked for a call of ours: Lambda writes the logs, and the others stand for settings of the deployment.
    ALWAYS = {"logs:CreateLogStream", "logs:PutLogEvents"}
    BY_PARAMETER = {
        "kmsKeyArn": {"kms:Decrypt", "kms:GenerateDataKey"},
        "vpcStack": {
            "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets",
            "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        },
        "xray": {"xray:PutTraceSegments", "xray:PutTelemetryRecords"},
        "objectLock": {
            "s3:GetObjectRetention", "s3:PutObjectRetention", "s3:GetObjectLegalHold", "s3:PutObjectLegalHold",
        },
    }

    def statements(self, stack, function):
        role = stack.resources[logical(function, "Role")]["Properties"]
        return [item for policy in role["Policies"] for item in policy["PolicyDocument"]["Statement"]]

    def allowed(self, stack, function):
        found = {}
        for item in self.statements(stack, function):
            if item["Effect"] == "Allow":
                actions = item["Action"] if isinstance(item["Action"], list) else [item["Action"]]
                for action in actions:
                    self.assertNotIn(action, found, f"{function}: allowed twice")
                    found[action] = item["Resource"]
        return found

    def needed(self, function):
        operations = code_facts.operations(function)
        self.assertLessEqual({"HeadObject", "GetSecretValue"}, operations, f"what {function} calls was not found")
        # The queue is given by its URL, and then its URL is not asked for: see test_the_stack_uses_its_own_…
        return set().union(*(self.NEEDS[name] for name in operations - {"GetQueueUrl"}))

    def test_a_role_allows_what_its_function_calls_and_nothing_else(self):
        for function in code_facts.FUNCTIONS:
            with self.subTest(function):
                self.assertEqual(set(self.allowed(BOTH, function)), self.needed(function) | self.ALWAYS)

    def test_parameters_add_what_they_are_for(self):
        for function in ("push", "pushRetry"):
            added = set().union(*self.BY_PARAMETER.values())
            allowed = set(self.allowed(STACKS["push with everything"], function))
            self.assertEqual(allowed, self.needed(function) | self.ALWAYS | added)
        pull = set(self.allowed(STACKS["pull with a password"], "pull"))
        self.assertEqual(pull, (self.needed("pull") | self.ALWAYS) - {"secretsmanager:GetSecretValue"})

    def test_each_action_is_allowed_on_the_flows_own_resources_alone(self):
        bucket = f"arn:aws:s3:::sftp-lambda-test-%s-{ACCOUNT}-eu-central-1"
        for function in code_facts.FUNCTIONS:
            own = bucket % ("inbox" if function == "pull" else "outbox")
            for action, resource in self.allowed(BOTH, function).items():
                service = action.split(":")[0]
                if action == "s3:DeleteObject":
                    # Checkpoints, and nothing else: see below.
                    self.assertEqual(function, "pull")
                    continue
                expected = {
                    "s3": own if action == "s3:ListBucket" else f"{own}/*",
                    "sqs": "<RetryQueue.Arn>",
                    "secretsmanager": "<LoginSecret>",
                    "logs": f"arn:aws:logs:eu-central-1:{ACCOUNT}:log-group:/aws/lambda/sftp-lambda-test-{function}:*",
                }[service]
                self.assertEqual(resource, expected, f"{function}: {action}")
        self.assertEqual(BOTH.resources["TargetBucket"]["Properties"]["BucketName"], (bucket % "inbox")[13:])
        self.assertEqual(BOTH.resources["SourceBucket"]["Properties"]["BucketName"], (bucket % "outbox")[13:])
        for function in ("push", "pushRetry"):
            for action, resource in self.allowed(STACKS["push with everything"], function).items():
                # Only these have no resource to be named.
                self.assertEqual(resource == "*", action.startswith(("ec2:", "xray:")), action)

    def test_checkpoints_alone_may_be_deleted(self):
        """KeyMapping adds the slash at the end of a prefix where it is missing."""
        digest = "0" * 64
        for prefix, folder in (("", ""), ("in", "in/"), ("in/", "in/"), ("a/b", "a/b/")):
            with self.subTest(prefix):
                given = FLOWS["both"] | ({"targetS3Prefix": prefix} if prefix else {})
                resources = self.allowed(Stack(Service(given=given).template()), "pull")["s3:DeleteObject"]
                own = f"arn:aws:s3:::sftp-lambda-test-inbox-{ACCOUNT}-eu-central-1/"
                matches = lambda key: any(fnmatch.fnmatchcase(own + key, resource) for resource in resources)
                self.assertTrue(matches(f"{folder}.sftp-lambda/{digest}.json"))
                for key in ("other/.sftp-lambda/x.json", f"{folder}report.json", f"{folder}x.sftp-lambda/x.json"):
                    self.assertFalse(matches(key), key)

    def test_markers_of_what_was_deleted_go_with_its_last_version(self):
        for bucket in ("TargetBucket", "SourceBucket"):
            rules = BOTH.resources[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
            self.assertEqual([rule["Id"] for rule in rules if rule.get("ExpiredObjectDeleteMarker")], ["delete-markers"])
            self.assertTrue(all(rule["Status"] == "Enabled" for rule in rules))

    def test_the_table_of_the_docs_says_the_same(self):
        page = (ROOT / "docs" / "deploy.md").read_text()
        rows = re.findall(r"^\| `(\w+)` \| ([\w, ]+) \| ((?:`[a-z0-9]+:\w+`(?:, )?)+) \|", page, re.M)
        told = {operation: (users, set(re.findall(r"`([^`]+)`", actions))) for operation, users, actions in rows}
        called = {name: code_facts.operations(name) - {"GetQueueUrl"} for name in code_facts.FUNCTIONS}
        expected = {}
        for operation in sorted(set().union(*called.values())):
            users = ", ".join(name for name in code_facts.FUNCTIONS if operation in called[name])
            users = "all" if users == "pull, push, pushRetry" else users
            expected[operation] = (users, self.NEEDS[operation])
        self.assertEqual(told, expected)


if __name__ == "__main__":
    unittest.main()
