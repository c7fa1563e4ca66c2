"""Alarms and dashboard look at metrics that there are."""

import json
import re
import unittest

import code_facts
from flows import BOTH, STACKS, functions, logical
from serverless_file import FLOWS, ROOT


class MetricTests(unittest.TestCase):
    # AWS Lambda Developer Guide, "Types of metrics for Lambda functions"; Amazon SQS Developer Guide, "Available
    # CloudWatch metrics for Amazon SQS": those that are used here.
    OF_AWS = {
        "AWS/Lambda": ("FunctionName", {"Errors", "Throttles", "Duration", "DestinationDeliveryFailures"}),
        "AWS/SQS": (
            "QueueName",
            {
                "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible",
                "ApproximateNumberOfMessagesNotVisible",
            },
        ),
    }

    def check(self, stack, namespace, metric, dimension, value):
        named = {item["FunctionName"]: name for name, item in functions(BOTH).items()}
        queues = {item["QueueName"] for item in BOTH.of_type("AWS::SQS::Queue").values()}
        own, dimensions, emitted = code_facts.metrics()
        self.assertEqual(dimensions, {"FunctionName"})
        if namespace == own:
            self.assertEqual(dimension, "FunctionName")
            self.assertIn(metric, emitted[named[value]], f"{named[value]} does not emit {metric}")
        else:
            its_dimension, metrics = self.OF_AWS[namespace]
            self.assertEqual(dimension, its_dimension)
            self.assertIn(metric, metrics)
            self.assertIn(value, named if dimension == "FunctionName" else queues)

    def test_alarms_stand_on_metrics_that_are_emitted(self):
        for stack in STACKS.values():
            for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
                with self.subTest(alarm["AlarmName"]):
                    (dimension,) = alarm["Dimensions"]
                    self.check(stack, alarm["Namespace"], alarm["MetricName"], dimension["Name"], dimension["Value"])

    def test_the_dashboard_shows_metrics_that_are_emitted(self):
        widgets = json.loads(BOTH.resources["Dashboard"]["Properties"]["DashboardBody"])["widgets"]
        shown = [metric for widget in widgets for metric in widget["properties"]["metrics"]]
        searches = [metric[0]["expression"] for metric in shown if isinstance(metric[0], dict)]
        shown = [metric for metric in shown if not isinstance(metric[0], dict)]
        for metric in shown:
            self.check(BOTH, *metric)
        needed = {
            "FilesTransferred", "BytesTransferred", "FilesFailed", "FilesRemaining", "ApproximateAgeOfOldestMessage",
            "OldestFileAgeSeconds",
        }
        self.assertLessEqual(needed, {metric[1] for metric in shown})
        # What is not there in every run is looked for.
        (search,) = searches
        own, dimensions, _ = code_facts.metrics()
        schema, names, values = re.fullmatch(
            r"SEARCH\('\{([^}]*)\} MetricName=\(([^)]*)\) FunctionName=\(([^)]*)\)', 'Sum', 300\)", search).groups()
        self.assertEqual(schema.split(","), [own, *dimensions])
        self.assertEqual(names.split(" OR "), [f'"{name}"' for name in names.replace('"', "").split(" OR ")])
        self.assertEqual(set(names.replace('"', "").split(" OR ")), code_facts.failure_metrics())
        named = {item["FunctionName"] for item in functions(BOTH).values()}
        self.assertEqual(set(values.replace('"', "").split(" OR ")), named)

    def test_every_function_is_watched_for_errors_throttles_and_time(self):
        watched = {
            (alarm["MetricName"], alarm["Dimensions"][0]["Value"])
            for alarm in BOTH.of_type("AWS::CloudWatch::Alarm").values()
        }
        for name, properties in functions(BOTH).items():
            for metric in ("Errors", "Throttles", "Duration"):
                self.assertIn((metric, properties["FunctionName"]), watched)
            limit = BOTH.resources[logical(name, "IsSlow")]["Properties"]["Threshold"]
            self.assertEqual(limit, 0.9 * properties["Timeout"] * 1000)
        self.assertIn(("ApproximateNumberOfMessagesVisible", "sftp-lambda-test-retry-dead"), watched)

    def test_an_alarm_that_looks_far_back_is_one_that_cloudwatch_takes(self):
        """Amazon CloudWatch API Reference, PutMetricAlarm: a day, or a week when the period is an hour or more."""
        for stack in STACKS.values():
            for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
                seconds = alarm["Period"] * int(alarm["EvaluationPeriods"])
                self.assertLessEqual(seconds, 604_800 if alarm["Period"] >= 3600 else 86_400, alarm["AlarmName"])

    def test_descriptions_point_to_sections_that_are_there(self):
        sections = re.findall(r"^#+ (.+)$", (ROOT / "docs" / "operate.md").read_text(), re.M)
        for stack in STACKS.values():
            for alarm in stack.of_type("AWS::CloudWatch::Alarm").values():
                with self.subTest(alarm["AlarmName"]):
                    found = re.findall(r'docs/operate\.md, "([^"]+)"', alarm["AlarmDescription"])
                    self.assertEqual(len(found), 1)
                    self.assertIn(found[0], sections)
                    self.assertLessEqual(len(alarm["AlarmDescription"]), 1024)

    def test_alarms_go_where_they_are_sent(self):
        def actions(stack):
            return {json.dumps(item.get("AlarmActions")) for item in stack.of_type("AWS::CloudWatch::Alarm").values()}

        self.assertEqual(actions(BOTH), {"null"})
        self.assertEqual(actions(STACKS["pull with a password"]), {'["<AlarmTopic>"]'})
        self.assertEqual(
            actions(STACKS["push with everything"]), {json.dumps([FLOWS["push with everything"]["alarmTopicArn"]])})


    def test_the_page_names_every_metric(self):
        page = (ROOT / "docs" / "operate.md").read_text()
        table = re.search(r"^\| metric \|[^\n]*\n((?:\|[^\n]*\n)+)", page, re.M)[1]
        told = {}
        for names, users in re.findall(r"^\| (`[^|]+) \| ([^|]+) \|", table, re.M):
            for name in re.findall(r"`(\w+)`", names):
                told[name] = set(code_facts.FUNCTIONS) if users == "all" else set(users.split(", "))
        _, _, emitted = code_facts.metrics()
        expected = {name: set(code_facts.FUNCTIONS) for name in code_facts.failure_metrics()}
        for function, names in emitted.items():
            for name in names:
                expected.setdefault(name, set()).add(function)
        self.assertEqual(told, expected)

    def test_old_files_are_watched_only_where_that_is_asked_for(self):
        alarm = BOTH.resources["FileIsOld"]["Properties"]
        self.assertEqual(float(alarm["Threshold"]), 86_400)
        for name, stack in STACKS.items():
            if name != "both":
                self.assertNotIn("FileIsOld", stack.resources)


class QueryTests(unittest.TestCase):
    """The saved queries. That their fields are in the logs, Tests/SystemTests/LogQueryTests.swift sees."""

    def test_what_is_deployed_is_what_the_page_shows(self):
        page = (ROOT / "docs" / "operate.md").read_text()
        shown = re.findall(r"^```logs-insights\n(.*?)\n```$", page, re.M | re.S)
        deployed = [item["QueryString"] for item in BOTH.of_type("AWS::Logs::QueryDefinition").values()]
        self.assertGreater(len(shown), 5)
        self.assertEqual(deployed, shown)

    def test_each_stack_has_those_of_its_functions(self):
        counts = {}
        for name, stack in STACKS.items():
            groups = {f"<{logical}>" for logical in stack.of_type("AWS::Logs::LogGroup")}
            queries = stack.of_type("AWS::Logs::QueryDefinition").values()
            counts[name] = len(queries)
            for query in queries:
                self.assertTrue(query["LogGroupNames"])
                self.assertLessEqual(set(query["LogGroupNames"]), groups, query["Name"])
                self.assertTrue(query["Name"].startswith("sftp-lambda-test/"))
        self.assertEqual(counts, {
            "both": 9, "push with everything": 8, "pull with a password": 8, "push, filtered": 8,
        })


if __name__ == "__main__":
    unittest.main()
