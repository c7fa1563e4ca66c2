"""The runtime loop of the Python peers, and what both of them take from an event and the environment."""

import http.client
import json
import os
import urllib.parse

VERSION = "/2018-06-01/runtime/invocation"
LARGE_BYTES = 8 * 1024 * 1024
DEPTH = 32

HOST, PORT, USER = os.environ["SFTP_HOST"], int(os.environ["SFTP_PORT"]), os.environ["SFTP_USER"]
PRIVATE_KEY, HOST_KEY = os.environ["SFTP_PRIVATE_KEY"], os.environ["SFTP_HOST_KEY"]
SOURCE, TARGET = os.environ.get("SFTP_SOURCE_DIR"), os.environ.get("SFTP_TARGET_DIR")
BUCKET, QUEUE = os.environ.get("SFTP_TARGET_S3_BUCKET"), os.environ.get("SFTP_RETRY_QUEUE_NAME")


def serve(handlers):
    """Fetches invocations, one after the other, and has the handler of this function answer them."""
    handler = handlers[os.environ["_HANDLER"]]
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    while True:
        connection.request("GET", f"{VERSION}/next")
        answer = connection.getresponse()
        event = json.loads(answer.read())
        request_id = answer.headers["Lambda-Runtime-Aws-Request-Id"]
        try:
            result, kind = handler(event), "response"
        except Exception as error:
            result, kind = {"errorType": type(error).__name__, "errorMessage": str(error)}, "error"
        connection.request("POST", f"{VERSION}/{request_id}/{kind}", json.dumps(result))
        connection.getresponse().read()


def objects_of(event):
    """(bucket, key) of each object that an S3 notification names."""
    for record in event.get("Records", []):
        yield record["s3"]["bucket"]["name"], urllib.parse.unquote_plus(record["s3"]["object"]["key"])
