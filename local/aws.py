#!/usr/bin/env python3
"""S3, SQS, Secrets Manager and STS on one free loopback port, for tests and the demo.

moto (https://docs.getmoto.org) does the work and checks signatures and policies. The front in `aws_front.py` adds what S3
checks and moto does not. Follows the contract of Tests/TestKit/StandIn.swift: one line of JSON when ready, log on
standard error, ends with its standard input.
"""

import argparse
import json
import logging
import os
import sys
import threading

# moto takes its settings from the environment when it is first imported. The caller's own AWS settings must not
# reach it.
for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_"))]:
    del os.environ[name]
os.environ["AWS_ACCESS_KEY_ID"] = os.environ["AWS_SECRET_ACCESS_KEY"] = "unused"
os.environ["MOTO_ALLOW_NONEXISTENT_REGION"] = "true"
sys.dont_write_bytecode = True

from moto import settings  # noqa: E402
from moto.core import DEFAULT_ACCOUNT_ID  # noqa: E402
from moto.iam.models import iam_backends  # noqa: E402
from moto.moto_server.werkzeug_app import (  # noqa: E402
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.s3.models import s3_backends  # noqa: E402
from moto.secretsmanager.models import secretsmanager_backends  # noqa: E402
from moto.sqs.exceptions import ReceiptHandleIsInvalid  # noqa: E402
from moto.sqs.models import SQSBackend, sqs_backends  # noqa: E402
from moto.sts.responses import TokenResponse  # noqa: E402
from werkzeug.serving import make_server  # noqa: E402

from aws_front import Front  # noqa: E402

EVERYTHING = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
}


class Handler(MotoRequestHandler):
    """Keeps connections, as AWS does; werkzeug itself closes them after each answer. Answers leave at once."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_expect_100(self):
        result = super().handle_expect_100()
        self.wfile.flush()
        return result

    def run_wsgi(self):
        started = []
        try:
            # The front reads every body to its end, so the next request line is where it must be.
            answer = self.server.app(self.make_environ(), lambda status, headers, *_: started.append((status, headers)))
            body = b"".join(answer)
            status, headers = started[-1]
        except ConnectionError as error:
            self.log_error("%s", error)
            self.close_connection = True
            return
        except Exception:
            logging.exception("a request failed")
            status, headers, body = "500 Internal Server Error", [], b""
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        has_length = False
        for name, value in headers:
            if name.lower() not in ("date", "server", "connection", "transfer-encoding"):
                has_length = has_length or name.lower() == "content-length"
                self.send_header(name, value)
        if not has_length and code != "204":
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--region", default="eu-central-1")
    parser.add_argument("--bucket", action="append", default=[], metavar="NAME")
    parser.add_argument("--versioned-bucket", action="append", default=[], metavar="NAME")
    parser.add_argument(
        "--queue",
        action="append",
        default=[],
        metavar="NAME[,visibility=SECONDS][,dead-letters=QUEUE:COUNT]",
        help="a queue, and the one that takes what has been received COUNT times",
    )
    parser.add_argument("--secret", action="append", default=[], metavar="NAME=TEXT")
    return parser.parse_args()


def make_user(region):
    """A user and a role that may do everything; from here on every request must be signed.

    Whoever shows STS a token gets the role's credentials. moto does not look at the token.
    """
    iam = iam_backends[DEFAULT_ACCOUNT_ID]["aws"]
    iam.create_user(region, "local")
    iam.put_user_policy("local", "everything", json.dumps(EVERYTHING))
    key = iam.create_access_key("local")
    trusted = {"Federated": "arn:aws:iam::123456789012:oidc-provider/local"}
    trust = {"Effect": "Allow", "Principal": trusted, "Action": "sts:AssumeRoleWithWebIdentity"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(
        "local", policy, path="/", permissions_boundary=None, description="", tags={}, max_session_duration="3600"
    )
    iam.put_role_policy(role.name, "everything", json.dumps(EVERYTHING))
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    return key


def refuse_what_is_not_in_flight():
    """SQS changes the visibility only of a message that is being received, by its last receipt; moto of any."""
    change = SQSBackend.change_message_visibility

    def checked(self, queue_name, receipt_handle, visibility_timeout):
        for message in self.get_queue(queue_name)._messages:
            is_last = message.receipt_handle == receipt_handle
            if message.had_receipt_handle(receipt_handle) and (message.visible or not is_last):
                raise ReceiptHandleIsInvalid
        change(self, queue_name, receipt_handle, visibility_timeout)

    SQSBackend.change_message_visibility = checked


def let_tokens_in():
    """Who shows STS a token has no signature yet; moto asks for one of everybody."""
    check = TokenResponse._authenticate_and_authorize_normal_action

    def checked(self, *arguments, **names):
        if self._get_action() != "AssumeRoleWithWebIdentity":
            check(self, *arguments, **names)

    TokenResponse._authenticate_and_authorize_normal_action = checked


def make_queue(sqs, description):
    name, *words = description.split(",")
    attributes = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    for word in words:
        key, _, value = word.partition("=")
        if key == "visibility":
            attributes["VisibilityTimeout"] = value
        elif key == "dead-letters":
            target, _, count = value.partition(":")
            # The longest retention there is: a message keeps the time at which it was first sent.
            dead = sqs.queues.get(target) or sqs.create_queue(target, MessageRetentionPeriod="1209600", **attributes)
            attributes["RedrivePolicy"] = json.dumps(
                {"deadLetterTargetArn": dead.queue_arn, "maxReceiveCount": int(count)}
            )
        else:
            raise SystemExit(f"--queue {description}: what is {key}?")
    sqs.create_queue(name, **attributes)


def make_resources(options):
    s3 = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for name in options.bucket + options.versioned_bucket:
        s3.create_bucket(name, options.region)
    for name in options.versioned_bucket:
        s3.put_bucket_versioning(name, "Enabled")
    for description in options.queue:
        make_queue(sqs_backends[DEFAULT_ACCOUNT_ID][options.region], description)
    for secret in options.secret:
        name, _, text = secret.partition("=")
        secretsmanager_backends[DEFAULT_ACCOUNT_ID][options.region].create_secret(
            name, text, None, None, None, None, None, [], False
        )


def end_with_standard_input():
    while sys.stdin.buffer.read(65536):
        pass
    os._exit(0)


def main():
    options = arguments()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s")
    # Started by us alone: nothing of it is left when our standard input ends, whatever the threads are doing.
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    key = make_user(options.region)
    make_resources(options)
    refuse_what_is_not_in_flight()
    let_tokens_in()
    front = Front(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, front, threaded=True, request_handler=Handler)
    ready = {
        "endpoint": f"http://127.0.0.1:{server.server_port}",
        "accessKeyID": key.access_key_id,
        "secretAccessKey": key.secret_access_key,
        "region": options.region,
    }
    print(json.dumps(ready), flush=True)
    server.serve_forever()


main()
