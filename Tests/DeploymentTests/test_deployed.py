"""The stack, made by moto's CloudFormation, at work: the functions out of their zips, each with its own role.

What a function gets (environment, role, memory) is read from the stack, and so are the buckets and the queues. moto
refuses what a role does not allow. Needs the zips, in the folder that SFTP_LAMBDA_ZIPS names.
"""

import ast
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile
import unittest
import urllib.parse

from serverless_file import ACCOUNT, BOTH, ROOT, Service, Stack

sys.path.insert(0, str(ROOT / "local"))

import boto3  # noqa: E402
import botocore.exceptions  # noqa: E402
from runtime_api import RuntimeAPI  # noqa: E402
from runtime_api_emulator.sandbox import Configuration  # noqa: E402
from standins import StandIn, unpack  # noqa: E402

ZIPS = os.environ.get("SFTP_LAMBDA_ZIPS")
TIMEOUT_SECONDS = 60
AN_HOUR_AGO_SECONDS = 3600


@unittest.skipUnless(ZIPS, "SFTP_LAMBDA_ZIPS names no folder with the zips")
class DeployedTests(unittest.TestCase):
    """The buckets that the stack makes; the source bucket notifies push itself."""

    EXISTING_BUCKETS = {}
    # The statements of which moto compares the resources: those of S3. Of the other services it knows only the actions.
    CHECKED_RESOURCES = {"Objects", "MissingObjects"}

    @classmethod
    def setUpClass(cls):
        cls.keys = {}
        cls.work = pathlib.Path(tempfile.mkdtemp(prefix="sftp-lambda-deployed-"))
        cls.addClassCleanup(shutil.rmtree, cls.work)
        os.environ.pop("AWS_PROFILE", None)  # boto3 would look for it.
        cls.aws = StandIn("aws.py", "--bucket", "deployment", log=cls.work / "aws.log")
        cls.addClassCleanup(cls.aws.stop)
        cls.login = {
            "endpoint_url": cls.aws["endpoint"], "region_name": cls.aws["region"],
            "aws_access_key_id": cls.aws["accessKeyID"], "aws_secret_access_key": cls.aws["secretAccessKey"],
        }
        cls.partner = cls.work / "partner"
        (cls.partner / "outgoing").mkdir(parents=True)
        (cls.partner / "incoming").mkdir()
        cls.sshd = None
        cls.port = 0
        cls.start_server()
        cls.addClassCleanup(lambda: cls.sshd.stop())
        cls.deploy()

    @classmethod
    def start_server(cls):
        """Always on the same port and with the same keys."""
        cls.sshd = StandIn(
            "sshd", "--root", cls.partner, "--port", cls.port, "--key-cache", cls.work / "keys",
            log=cls.work / "sshd.log")
        cls.port = int(cls.sshd["port"])

    @classmethod
    def deploy(cls):
        """What docs/deploy.md says: store the login in a secret, and deploy."""
        cls.s3, cls.sqs, formation, secrets = (
            boto3.client(name, **cls.login) for name in ("s3", "sqs", "cloudformation", "secretsmanager"))
        login = {"Username": cls.sshd["user"], "PrivateKey": pathlib.Path(cls.sshd["privateKey"]).read_text()}
        secrets.create_secret(Name="acme/without-host-key", SecretString=json.dumps(login))
        login["HostKey"] = cls.sshd["hostKey"]
        secrets.create_secret(Name="acme/login", SecretString=json.dumps(login))
        for bucket in cls.EXISTING_BUCKETS.values():
            cls.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": cls.aws["region"]})
        given = {
            **BOTH, **cls.EXISTING_BUCKETS, "host": cls.sshd["host"], "port": cls.sshd["port"], "secretId": "acme/login", "hostKey": "secret",
        }
        cls.stack = Stack(Service(given=given).template())
        for name in ("pull", "push", "pushRetry"):
            # moto does not look inside.
            cls.s3.put_object(Bucket="deployment", Key=f"dist/{name}.zip", Body=b"PK\x05\x06" + bytes(18))
        # With conditions decided: moto leaves in lists what AWS::NoValue should remove.
        formation.create_stack(StackName="flow", TemplateBody=json.dumps(cls.stack.template))
        cls.physical = {
            resource["LogicalResourceId"]: resource["PhysicalResourceId"]
            for resource in formation.describe_stack_resources(StackName="flow")["StackResources"]
            if "PhysicalResourceId" in resource
        }
        outputs = formation.describe_stacks(StackName="flow")["Stacks"][0]["Outputs"]
        cls.outputs = {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def credentials(self, role):
        """Those of a user who may do what the role may: only Lambda may take the role itself."""
        iam = boto3.client("iam", **self.login)
        name = self.physical[role]
        if name not in self.keys:
            iam.create_user(UserName=name)
            for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
                # moto's CloudFormation keeps it as Python prints it, not as JSON.
                document = ast.literal_eval(iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"])
                for statement in document["Statement"]:
                    if statement["Sid"] not in self.CHECKED_RESOURCES:
                        statement["Resource"] = "*"
                    if statement["Sid"] == "Queue":
                        # AWS has no actions of batches; moto knows no others for them.
                        actions = statement["Action"]
                        actions = [actions] if isinstance(actions, str) else actions
                        statement["Action"] = [*actions, *(f"{action}Batch" for action in actions)]
                iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=json.dumps(document))
            key = iam.create_access_key(UserName=name)["AccessKey"]
            self.keys[name] = (key["AccessKeyId"], key["SecretAccessKey"])
        return self.keys[name]

    def environment(self, function):
        """The variables of a function. What the stack calls `<Name>` is here by the name that it got."""
        variables = function["Environment"]["Variables"]
        return {
            name: re.sub(r"<(\w+)>", lambda match: self.physical[match[1]], value) for name, value in variables.items()
        }

    def invoke(self, name, event, fails=False, **changed):
        stem = name[0].upper() + name[1:]
        function = self.stack.resources[f"{stem}LambdaFunction"]["Properties"]
        key_id, secret_key = self.credentials(f"{stem}Role")
        folder = self.work / name
        unpack(pathlib.Path(ZIPS) / f"{name}.zip", folder)
        runtime = Configuration(
            task_root=str(folder), function_name=function["FunctionName"],
            memory_size=function["MemorySize"], region=self.aws["region"], log_path=str(self.work / f"{name}.log"),
            environment={
                **self.environment(function), **changed,
                "AWS_ENDPOINT_URL": self.aws["endpoint"],
                "AWS_ACCESS_KEY_ID": key_id,
                "AWS_SECRET_ACCESS_KEY": secret_key,
            })
        with RuntimeAPI(runtime) as api:
            result = api.invoke(json.dumps(event).encode(), timeout_seconds=TIMEOUT_SECONDS)
        answer = result.payload.decode(errors="replace")
        self.assertEqual(bool(result.function_error), fails, f"{name} answered {answer}")
        return json.loads(answer)

    def store(self, key, content):
        self.s3.put_object(Bucket=self.outputs["SourceBucketName"], Key=key, Body=content)
        return self.event(self.outputs["SourceBucketName"], key)

    def event(self, bucket, key):
        """As S3 tells a function of it."""
        record = {
            "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": self.aws["region"],
            "eventName": "ObjectCreated:Put",
            "s3": {
                "s3SchemaVersion": "1.0", "bucket": {"name": bucket},
                "object": {"key": urllib.parse.quote_plus(key)},
            },
        }
        return {"Records": [record]}

    def messages(self):
        """How many messages are on the retry queue, hidden ones included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs["RetryQueueUrl"], AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))

    def assert_delivered(self, key, content):
        self.assertEqual((self.partner / "incoming" / key).read_bytes(), content)
        head = self.s3.head_object(Bucket=self.outputs["SourceBucketName"], Key=key)
        self.assertEqual(head["Metadata"].get("synced"), "true", f"{key} has no mark")

    # The tests.

    def test_what_is_stored_is_pushed_and_marked(self):
        content = b"article;count\n" * 1000
        answer = self.invoke("push", self.store("orders/today + 50%.csv", content))
        self.assertEqual(answer["delivered"], 1, answer)
        self.assert_delivered("orders/today + 50%.csv", content)
        self.assertEqual(self.messages(), 0)

    def test_what_cannot_be_pushed_waits_on_the_queue_and_is_sent_from_there(self):
        event = self.store("late.csv", b"too late?\n")
        self.sshd.stop()
        try:
            answer = self.invoke("push", event)
        finally:
            self.start_server()
        self.assertEqual(answer["queued"], 1, answer)
        self.assertEqual(self.messages(), 1)
        answer = self.invoke("pushRetry", {})
        self.assertEqual(answer["delivered"], 1, answer)
        self.assert_delivered("late.csv", b"too late?\n")
        self.assertEqual(self.messages(), 0)

    def test_a_message_that_is_received_too_often_goes_to_the_dead_letter_queue(self):
        queue = self.outputs["RetryQueueUrl"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        self.assertEqual(attributes["VisibilityTimeout"], "120")
        dead = self.sqs.get_queue_attributes(
            QueueUrl=self.outputs["DeadLetterQueueUrl"], AttributeNames=["All"])["Attributes"]
        policy = json.loads(attributes["RedrivePolicy"])
        self.assertEqual((policy["deadLetterTargetArn"], int(policy["maxReceiveCount"])), (dead["QueueArn"], 20))
        self.assertGreater(int(dead["MessageRetentionPeriod"]), int(attributes["MessageRetentionPeriod"]))

    def test_what_the_partner_leaves_is_pulled(self):
        path = self.partner / "outgoing" / "invoices" / "2026-11 invoice.csv"
        path.parent.mkdir()
        path.write_bytes(b"number;amount\n4711;12.50\n")
        # Older than SFTP_MIN_FILE_AGE_SECONDS, which this deployment sets.
        old = path.stat().st_mtime - AN_HOUR_AGO_SECONDS
        os.utime(path, (old, old))
        (path.parent / "being written.csv").write_bytes(b"num")
        answer = self.invoke("pull", {})
        self.assertEqual((answer["transferred"], answer["left"]), (1, {"young": 1}), answer)
        stored = self.s3.get_object(Bucket=self.outputs["TargetBucketName"], Key="invoices/2026-11 invoice.csv")
        self.assertEqual(stored["Body"].read(), b"number;amount\n4711;12.50\n")

    def test_no_server_is_taken_when_the_secret_holds_no_host_key(self):
        """The deployment says `hostKey=secret`."""
        answer = self.invoke("pull", {}, fails=True, SFTP_SECRET_ID="acme/without-host-key")
        self.assertIn("SFTP_HOST_KEY", answer["errorMessage"])

    def test_a_role_is_refused_what_it_does_not_allow(self):
        """Or else the other tests would prove nothing of the roles."""
        key_id, secret_key = self.credentials("PullRole")
        s3 = boto3.client(
            "s3", **{**self.login, "aws_access_key_id": key_id, "aws_secret_access_key": secret_key})
        with self.assertRaises(botocore.exceptions.ClientError) as refused:
            s3.put_object(Bucket=self.outputs["SourceBucketName"], Key="x", Body=b"x")
        self.assertEqual(refused.exception.response["Error"]["Code"], "AccessDenied")
        s3.put_object(Bucket=self.outputs["TargetBucketName"], Key="x", Body=b"x")


class DeployedWithExistingBucketsTests(DeployedTests):
    """The same with buckets that were there before; the source bucket sends its events to EventBridge."""

    EXISTING_BUCKETS = {"sourceS3Bucket": "acme-files", "targetS3Bucket": "acme-inbox"}

    def event(self, bucket, key):
        """As EventBridge tells a function of it."""
        detail = {"version": "0", "bucket": {"name": bucket}, "object": {"key": key}, "reason": "PutObject"}
        return {
            "version": "0", "source": "aws.s3", "detail-type": "Object Created", "region": self.aws["region"],
            "resources": [f"arn:aws:s3:::{bucket}"], "detail": detail,
        }

    def test_the_stack_makes_no_bucket(self):
        self.assertFalse({"SourceBucket", "TargetBucket"} & set(self.physical))


if __name__ == "__main__":
    unittest.main()
