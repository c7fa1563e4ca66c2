"""The functions and their triggers: settings, programs, invocation, and what is off by default."""

import json
import re
import unittest

import code_facts
from flows import BOTH, STACKS, functions, parameter
from serverless_file import FLOWS, ROOT, Problem, Service, Stack, load


class ReaderTests(unittest.TestCase):
    """The reader refuses what it does not know, or else the other tests would prove little."""

    def refuses(self, change, reason, **given):
        document = load("serverless.yml")
        change(document)
        with self.assertRaisesRegex(Problem, reason):
            Stack(Service(given=given or FLOWS["both"], document=document).template())

    def test_a_missing_parameter_is_named(self):
        self.refuses(lambda _: None, "parameter hostKey has no default", host="sftp.example.com", sourceDir="x")

    def test_an_unknown_variable_is_refused(self):
        self.refuses(lambda document: document["custom"].update(x="${opt:region}"), "opt:region")

    def test_a_substitution_without_sub_is_refused(self):
        self.refuses(lambda document: document["custom"].update(x="a${AWS::Region}"), "outside of Fn::Sub")

    def test_an_unknown_property_of_a_function_is_refused(self):
        self.refuses(lambda document: document["functions"]["pull"].update(events=[]), "events")

    def test_a_reference_to_what_is_not_there_is_refused(self):
        def change(document):
            document["functions"]["pull"]["environment"]["SFTP_INCLUDE"] = {"Ref": "Nothing"}

        self.refuses(change, "no Nothing")


class FunctionTests(unittest.TestCase):
    def test_every_setting_of_a_function_is_a_parameter(self):
        settings = code_facts.settings()
        self.assertGreater(len(settings), 20)
        document = load("serverless.yml")
        for function in code_facts.FUNCTIONS:
            with self.subTest(function):
                own = {
                    **document["provider"]["environment"], **document["functions"][function]["environment"],
                }
                self.assertEqual(set(own), {name for name, users in settings.items() if function in users})
                for name, value in own.items():
                    if name != "SFTP_RETRY_QUEUE_NAME":
                        self.assertIn("${param:%s}" % parameter(name), json.dumps(value), name)

    def test_a_parameter_reaches_its_setting(self):
        names = {name: parameter(name) for name in code_facts.settings()}
        names["SFTP_RETRY_QUEUE_NAME"] = "retryQueueName"
        given = {name: f"value of {name}" for name in names.values()}
        stack = Stack(Service(given={**given, "runtime": "provided.al2023"}).template())
        self.assertEqual(set(functions(stack)), set(code_facts.FUNCTIONS))
        for function, properties in functions(stack).items():
            for name, value in properties["Environment"]["Variables"].items():
                expected = "<RetryQueue>" if name == "SFTP_RETRY_QUEUE_NAME" else given[names[name]]
                self.assertEqual(value, expected, f"{function}: {name}")
        self.assertEqual(stack.resources["RetryQueue"]["Properties"]["QueueName"], "value of retryQueueName")

    def test_files_are_left_alone_for_a_minute(self):
        self.assertEqual(functions(BOTH)["pull"]["Environment"]["Variables"]["SFTP_MIN_FILE_AGE_SECONDS"], "60")

    def test_the_stack_uses_its_own_bucket_secret_and_queue(self):
        variables = {name: item["Environment"]["Variables"] for name, item in functions(BOTH).items()}
        self.assertEqual(variables["pull"]["SFTP_TARGET_S3_BUCKET"], "<TargetBucket>")
        for function in code_facts.FUNCTIONS:
            self.assertEqual(variables[function]["SFTP_SECRET_ID"], "<LoginSecret>")
        # Its URL, for which SQS need not be asked.
        self.assertEqual(variables["push"]["SFTP_RETRY_QUEUE_NAME"], "<RetryQueue>")

    def test_handlers_and_artifacts_are_those_that_are_built(self):
        package, zips = code_facts.programs()
        self.assertEqual(package, zips)
        document = load("serverless.yml")
        self.assertEqual(set(document["functions"]), zips)
        for name, function in document["functions"].items():
            self.assertEqual(function["handler"], name)
            self.assertEqual(function["package"], {"artifact": f"dist/{name}.zip"})

    def test_runtime_and_architecture_are_as_given(self):
        for properties in functions(BOTH).values():
            self.assertEqual((properties["Runtime"], properties["Architectures"]), ("provided.al2023", ["x86_64"]))
        given = {**FLOWS["both"], "architecture": "arm64"}
        del given["runtime"]
        for properties in functions(Stack(Service(given=given).template())).values():
            self.assertEqual((properties["Runtime"], properties["Architectures"]), ("provided.al2", ["arm64"]))

    def test_the_next_run_comes_anyway_and_push_loses_nothing(self):
        invocations = BOTH.of_type("AWS::Lambda::EventInvokeConfig")
        for name in ("Pull", "PushRetry"):
            own = invocations[f"{name}Invocation"]
            self.assertEqual((own["MaximumRetryAttempts"], own["MaximumEventAgeInSeconds"]), (0, 300))
            self.assertEqual(own["FunctionName"], f"<{name}LambdaFunction>")
            (target,) = BOTH.resources[f"{name}Schedule"]["Properties"]["Targets"]
            self.assertEqual(target.get("RetryPolicy"), {"MaximumEventAgeInSeconds": 300})
            self.assertEqual(BOTH.resources[f"{name}LambdaFunction"]["Properties"]["ReservedConcurrentExecutions"], "1")
        push = invocations["PushInvocation"]
        self.assertEqual(push["DestinationConfig"], {"OnFailure": {"Destination": "<RetryQueue.Arn>"}})

    def test_none_reserves_no_concurrency(self):
        for name, properties in functions(STACKS["push with everything"]).items():
            self.assertNotIn("ReservedConcurrentExecutions", properties, name)

    def test_what_is_off_by_default_is_off(self):
        for properties in functions(BOTH).values():
            self.assertNotIn("TracingConfig", properties)
            self.assertNotIn("VpcConfig", properties)
            self.assertEqual(properties["LoggingConfig"]["LogFormat"], "JSON")
        self.assertEqual(len(BOTH.of_type("AWS::Logs::LogGroup")), 3)
        for group in BOTH.of_type("AWS::Logs::LogGroup").values():
            self.assertEqual(group["RetentionInDays"], "90")

    def test_the_network_comes_from_the_other_stack(self):
        exports = re.findall(r"\$\{AWS::StackName\}(-\w+)", (ROOT / "vpc.yml").read_text())
        for properties in functions(STACKS["push with everything"]).values():
            self.assertEqual(properties["VpcConfig"], {
                "SubnetIds": ["<import network-SubnetIds>"], "SecurityGroupIds": ["<import network-SecurityGroupId>"],
            })
        self.assertLessEqual({"-SubnetIds", "-SecurityGroupId"}, set(exports))

    def test_a_bucket_of_the_stack_notifies_and_another_one_sends_events(self):
        own = STACKS["push, filtered"].resources["SourceBucket"]["Properties"]["NotificationConfiguration"]
        rules = [{"Name": "prefix", "Value": "out/"}, {"Name": "suffix", "Value": ".csv"}]
        for item in own["LambdaConfigurations"]:
            self.assertEqual(item["Function"], "<PushLambdaFunction.Arn>")
            self.assertEqual(item["Filter"], {"S3Key": {"Rules": rules}})
        unfiltered = BOTH.resources["SourceBucket"]["Properties"]["NotificationConfiguration"]["LambdaConfigurations"]
        self.assertEqual([sorted(item) for item in unfiltered], [["Event", "Function"]] * 2)
        other = STACKS["push with everything"]
        self.assertNotIn("SourceBucket", other.resources)
        detail = other.resources["SourceBucketEvents"]["Properties"]["EventPattern"]["detail"]
        self.assertEqual(detail, {"bucket": {"name": ["acme-files"]}, "object": {"key": [{"wildcard": "out/*.csv"}]}})
        self.assertNotIn("SourceBucketEvents", BOTH.resources)

    def test_what_is_kept_is_encrypted_private_and_versioned(self):
        for name, stack in STACKS.items():
            for bucket in stack.of_type("AWS::S3::Bucket").values():
                (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
                self.assertEqual(rule, {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}, name)
                self.assertEqual(list(bucket["PublicAccessBlockConfiguration"].values()), [True] * 4)
                self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
            for queue in stack.of_type("AWS::SQS::Queue").values():
                self.assertIs(queue["SqsManagedSseEnabled"], True)
        key = FLOWS["push with everything"]["kmsKeyArn"]
        stack = Stack(Service(given={**FLOWS["both"], "kmsKeyArn": key}).template())
        for bucket in stack.of_type("AWS::S3::Bucket").values():
            (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
            self.assertEqual(rule["ServerSideEncryptionByDefault"], {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key})
        self.assertEqual(stack.resources["LoginSecret"]["Properties"]["KmsKeyId"], key)

    def test_the_queue_hides_messages_for_as_long_as_the_code_does(self):
        flow = (ROOT / "Sources" / "Transfers" / "Flows" / "Push" / "RetryFlow.swift").read_text()
        (hidden,) = re.findall(r"static let hiddenSeconds = (\d+)", flow)
        self.assertEqual(BOTH.resources["RetryQueue"]["Properties"]["VisibilityTimeout"], int(hidden))

    def test_what_holds_data_stays_when_the_stack_goes(self):
        for name in ("TargetBucket", "SourceBucket", "LoginSecret"):
            resource = BOTH.resources[name]
            self.assertEqual((resource["DeletionPolicy"], resource["UpdateReplacePolicy"]), ("Retain", "Retain"))

    def test_a_direction_without_a_directory_is_not_there(self):
        self.assertEqual(set(functions(STACKS["push with everything"])), {"push", "pushRetry"})
        self.assertEqual(set(functions(STACKS["pull with a password"])), {"pull"})

    def test_the_flows_that_are_looked_at_decide_every_condition_both_ways(self):
        for condition in BOTH.conditions["Conditions"]:
            decided = {stack.holds(condition) for stack in STACKS.values()}
            self.assertEqual(decided, {True, False}, condition)

    def test_every_trigger_may_invoke_its_function(self):
        for name, stack in STACKS.items():
            allowed = {
                (item["FunctionName"], item["SourceArn"]) for item in stack.of_type("AWS::Lambda::Permission").values()
            }
            sources = {
                (target["Arn"].replace(".Arn>", ">"), f"<{rule}.Arn>")
                for rule, item in stack.of_type("AWS::Events::Rule").items() for target in item["Targets"]
            }
            sources |= {
                ("<PushLambdaFunction>", f"arn:aws:s3:::{item['BucketName']}")
                for item in stack.of_type("AWS::S3::Bucket").values() if "NotificationConfiguration" in item
            }
            self.assertEqual(allowed, sources, name)


if __name__ == "__main__":
    unittest.main()
