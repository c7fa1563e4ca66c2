"""Signs requests with botocore, for the test that compares our signer with it.

One JSON object a line comes in on standard input, one goes out for each on standard output.
"""

import base64
import datetime
import json
import sys

import botocore.auth
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def sign(order):
    now = datetime.datetime.fromtimestamp(order["epochSeconds"], datetime.timezone.utc).replace(tzinfo=None)
    botocore.auth.get_current_datetime = lambda *_, **__: now
    request = AWSRequest(method=order["method"], url=order["url"], data=base64.b64decode(order["body"]))
    for name, value in order["headers"]:
        request.headers.add_header(name, value)
    credentials = Credentials(order["accessKeyID"], order["secretAccessKey"], order.get("sessionToken"))
    signer = S3SigV4Auth if order["pathRule"] == "s3" else SigV4Auth
    auth = signer(credentials, order["service"], order["region"])
    canonical = []
    original = auth.canonical_request

    def recorded(request):
        canonical.append(original(request))
        return canonical[-1]

    auth.canonical_request = recorded
    auth.add_auth(request)
    return {"authorization": request.headers["Authorization"], "canonicalRequest": canonical[-1]}


for line in sys.stdin:
    print(json.dumps(sign(json.loads(line))), flush=True)
