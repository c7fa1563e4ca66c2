"""What several of the tests look at: the stacks of the flows, and their functions."""

import code_facts
from serverless_file import FLOWS, Service, Stack

STACKS = {name: Stack(Service(given=given).template()) for name, given in FLOWS.items()}
BOTH = STACKS["both"]


def logical(function, kind):
    return function[0].upper() + function[1:] + kind


def functions(stack):
    """The functions of a stack, by the name of their program."""
    return {
        name: stack.resources[logical(name, "LambdaFunction")]["Properties"]
        for name in code_facts.FUNCTIONS
        if logical(name, "LambdaFunction") in stack.resources
    }


def parameter(setting):
    """SFTP_TARGET_S3_BUCKET is given as targetS3Bucket."""
    first, *others = setting.removeprefix("SFTP_").lower().split("_")
    return first + "".join(word.capitalize() for word in others)
