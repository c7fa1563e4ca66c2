"""Reads serverless.yml as the Serverless Framework does, as far as this project's file needs it.

Everything that is not known here is an error: a variable of another source, a YAML tag, a property of a function. So
what the checks look at is what the framework deploys, and not what was left over.
"""

import copy
import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"

# The intrinsic functions that the files use in their short form (AWS CloudFormation User Guide, "Intrinsic function
# reference"). Ref and Condition alone have no `Fn::` before them.
SHORT_FORMS = {"And", "Condition", "Equals", "GetAtt", "If", "ImportValue", "Join", "Not", "Or", "Ref", "Split", "Sub"}


class Problem(Exception):
    """The file says what the framework, or this reader of it, does not understand."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms. A key that stands twice is an error."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise Problem(f"{node.start_mark}: {key} stands twice")
        return super().construct_mapping(node, deep)


def construct_short_form(loader, suffix, node):
    if suffix not in SHORT_FORMS:
        raise Problem(f"{node.start_mark}: !{suffix} is not known")
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".", 1)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


Loader.add_multi_constructor("!", construct_short_form)


def load(path):
    with open(ROOT / path) as file:
        return yaml.load(file, Loader)


class Service:
    """serverless.yml with its variables replaced, for one stage."""

    VARIABLE = re.compile(r"\$\{([^${}]*)\}")
    # What CloudFormation replaces, in Fn::Sub alone: a pseudo parameter, a resource, an attribute of one, a name given.
    SUBSTITUTED = re.compile(r"AWS::[A-Za-z]+|[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")

    def __init__(self, stage="test", given=(), stage_parameters=(), document=None):
        """`given` is what `--param` says on the command line: texts."""
        self.stage = stage
        self.document = document or load("serverless.yml")
        self.given = dict(given)
        for name, value in self.given.items():
            # The framework's own rule, and what comes from a command line.
            if not isinstance(value, str) or not value:
                raise Problem(f"--param {name}: the framework takes only texts that are not empty")
        self.parameters = {**self.document["params"]["default"], **dict(stage_parameters), **self.given}
        self.used = set()
        self.config = self.resolved({key: value for key, value in self.document.items() if key != "params"})

    # Variables.

    def resolved(self, value, in_sub=False):
        if isinstance(value, dict):
            return {
                self.resolved(key): self.resolved(item, in_sub or key == "Fn::Sub") for key, item in value.items()
            }
        if isinstance(value, list):
            # Of the list form of Fn::Sub only the first is a text in which CloudFormation replaces.
            return [self.resolved(item, in_sub and index == 0) for index, item in enumerate(value)]
        return self.text(value, in_sub) if isinstance(value, str) else value

    def text(self, text, in_sub):
        whole = self.VARIABLE.fullmatch(text)
        if whole and not (in_sub and self.SUBSTITUTED.fullmatch(whole[1])):
            return self.variable(whole[1])

        def replaced(match):
            if self.SUBSTITUTED.fullmatch(match[1]):
                if not in_sub:
                    raise Problem(f"{text}: {match[0]} outside of Fn::Sub")
                return match[0]
            value = self.variable(match[1])
            if isinstance(value, (dict, list)):
                raise Problem(f"{text}: {match[0]} is no text")
            return str(value)

        return self.VARIABLE.sub(replaced, text)

    def variable(self, name):
        source, _, address = name.partition(":")
        if source == "param":
            self.used.add(address)
            if address not in self.parameters:
                raise Problem(f"the parameter {address} has no default and is not given")
            return self.resolved(self.parameters[address])
        if name == "sls:stage":
            return self.stage
        if source == "self":
            value = self.document
            for key in address.split("."):
                if not isinstance(value, dict) or key not in value:
                    raise Problem(f"${{{name}}}: there is no {key}")
                value = value[key]
            return self.resolved(value)
        file = re.fullmatch(r"file\(([^()]+)\)", name)
        if file:
            return self.resolved(load(file[1]))
        raise Problem(f"${{{name}}} is not known")

    # What the framework makes of it.

    def template(self):
        """The CloudFormation template: each function and its log group, and `resources` merged into them."""
        template = {"AWSTemplateFormatVersion": "2010-09-09", "Resources": {}}
        for name, function in self.config["functions"].items():
            template["Resources"].update(self.function_resources(name, function))
        for part in self.config["resources"]:
            merge(template, part)
        return template

    def function_resources(self, name, function):
        known = {"name", "description", "handler", "package", "condition", "role", "memorySize", "environment"}
        provider = self.config["provider"]
        known_of_provider = {
            "name", "runtime", "architecture", "timeout", "versionFunctions", "stackTags", "tags", "environment",
        }
        unknown = (set(function) - known) | (set(provider) - known_of_provider)
        if unknown:
            raise Problem(f"not known here: {', '.join(sorted(unknown))}")
        stem = name[0].upper() + name[1:]
        return {
            f"{stem}LogGroup": {
                "Type": "AWS::Logs::LogGroup",
                "Properties": {"LogGroupName": f"/aws/lambda/{function['name']}"},
            },
            f"{stem}LambdaFunction": {
                "Type": "AWS::Lambda::Function",
                "Condition": function["condition"],
                "DependsOn": [f"{stem}LogGroup"],
                "Properties": {
                    "FunctionName": function["name"],
                    "Description": function["description"],
                    "Handler": function["handler"],
                    "Runtime": provider["runtime"],
                    "Architectures": [provider["architecture"]],
                    "MemorySize": int(function["memorySize"]),
                    "Timeout": int(provider["timeout"]),
                    "Role": {"Fn::GetAtt": [function["role"], "Arn"]},
                    "Environment": {"Variables": self.environment(name)},
                    "Tags": [{"Key": key, "Value": value} for key, value in provider["tags"].items()],
                    "Code": {"S3Bucket": "deployment", "S3Key": function["package"]["artifact"]},
                },
            },
        }

    def environment(self, function):
        return {**self.config["provider"]["environment"], **self.config["functions"][function]["environment"]}


def merge(into, part):
    """Puts `part` into `into`, object by object. What is said differently twice is an error."""
    for key, value in part.items():
        if key not in into:
            into[key] = copy.deepcopy(value)
        elif isinstance(into[key], dict) and isinstance(value, dict):
            merge(into[key], value)
        elif into[key] != value:
            raise Problem(f"{key} is {into[key]} and {value}")


class Stack:
    """A template as CloudFormation sees it: conditions decided, what is left out left out, intrinsics worked out.

    Names of resources that CloudFormation makes up stand as `<LogicalId>`.
    """

    REGION = "eu-central-1"

    def __init__(self, template):
        self.template = self.conditions = template
        self.template = self.decided()
        self.resources = {name: self.value(item) for name, item in self.template["Resources"].items()}

    def decided(self):
        """The template without its conditions: with what they let stand alone."""

        def standing(items):
            return {
                name: self.chosen({key: value for key, value in item.items() if key != "Condition"})
                for name, item in items.items()
                if self.holds(item.get("Condition"))
            }

        others = {key: value for key, value in self.template.items() if key != "Conditions"}
        sections = {name: standing(self.template[name]) for name in ("Resources", "Outputs")}
        return {**others, **sections}

    def chosen(self, value):
        if isinstance(value, list):
            return [item for item in map(self.chosen, value) if item != {"Ref": "AWS::NoValue"}]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Fn::If"}:
            condition, if_true, if_false = value["Fn::If"]
            return self.chosen(if_true if self.holds(condition) else if_false)
        items = {key: self.chosen(item) for key, item in value.items()}
        return {key: item for key, item in items.items() if item != {"Ref": "AWS::NoValue"}}

    def of_type(self, kind):
        return {name: resource["Properties"] for name, resource in self.resources.items() if resource["Type"] == kind}

    def holds(self, condition):
        if condition is None:
            return True
        if isinstance(condition, str):
            return self.holds(self.conditions["Conditions"][condition])
        (kind, argument), = condition.items()
        if kind == "Condition":
            return self.holds(argument)
        if kind == "Fn::Equals":
            return argument[0] == argument[1]
        if kind == "Fn::Not":
            return not self.holds(argument[0])
        if kind == "Fn::And":
            return all(self.holds(item) for item in argument)
        if kind == "Fn::Or":
            return any(self.holds(item) for item in argument)
        raise Problem(f"{kind} in a condition")

    def value(self, value):
        if isinstance(value, list):
            return [self.value(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (kind, argument), = value.items()
            if kind == "Ref" or kind.startswith("Fn::"):
                return self.intrinsic(kind, argument)
        return {key: self.value(item) for key, item in value.items()}

    def intrinsic(self, kind, argument):
        if kind == "Ref":
            return self.reference(argument)
        if kind == "Fn::GetAtt":
            return f"<{argument[0]}.{argument[1]}>"
        if kind == "Fn::ImportValue":
            return f"<import {self.value(argument)}>"
        if kind == "Fn::Join":
            return argument[0].join(self.value(argument[1]))
        if kind == "Fn::Split":
            return self.value(argument[1]).split(argument[0])
        if kind == "Fn::Sub":
            text, names = argument if isinstance(argument, list) else (argument, {})
            names = {name: self.value(item) for name, item in names.items()}
            return Service.VARIABLE.sub(lambda match: self.substituted(match[1], names), text)
        raise Problem(f"{kind} is not known")

    def substituted(self, name, names):
        if name in names:
            return names[name]
        return f"<{name}>" if "." in name else str(self.reference(name))

    def reference(self, name):
        pseudo = {"AWS::Region": self.REGION, "AWS::AccountId": ACCOUNT, "AWS::Partition": "aws"}
        if name in pseudo:
            return pseudo[name]
        if name not in self.template["Resources"]:
            raise Problem(f"there is no {name}")
        return f"<{name}>"


# The flows that are looked at: between them every condition is once true and once false.
BOTH = {
    "host": "sftp.example.com", "hostKey": "SHA256:AAAA", "sourceDir": "outgoing", "targetDir": "incoming",
    "oldestFileAlarmSeconds": "86400", "runtime": "provided.al2023",
}
PUSH_WITH_EVERYTHING = {
    "host": "sftp.example.com", "hostKey": "secret", "targetDir": "incoming", "secretId": "acme/login",
    "sourceS3Bucket": "acme-files", "sourceS3Prefix": "out/", "sourceS3Suffix": ".csv", "objectLock": "true",
    "kmsKeyArn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab", "vpcStack": "network",
    "xray": "true", "pushConcurrency": "none", "pushRetryConcurrency": "none",
    "alarmTopicArn": f"arn:aws:sns:eu-central-1:{ACCOUNT}:alarms", "runtime": "provided.al2023",
}
PULL_WITH_PASSWORD = {
    "host": "sftp.example.com", "hostKey": "SHA256:AAAA", "user": "acme", "password": "secret", "sourceDir": ".",
    "targetS3Bucket": "acme-inbox", "pullConcurrency": "none", "alarmEmail": "ops@example.com",
    "nothingArrivedHours": "24", "runtime": "provided.al2023",
}
PUSH_TO_FILTERED_BUCKET = {
    "host": "sftp.example.com", "hostKey": "SHA256:AAAA", "targetDir": ".", "sourceS3Prefix": "out/",
    "sourceS3Suffix": ".csv", "runtime": "provided.al2023",
}
FLOWS = {
    "both": BOTH, "push with everything": PUSH_WITH_EVERYTHING, "pull with a password": PULL_WITH_PASSWORD,
    "push, filtered": PUSH_TO_FILTERED_BUCKET,
}


def templates():
    return {name: Service(given=given).template() for name, given in FLOWS.items()}


def write(template, path):
    path.write_text(json.dumps(template, indent=1))
