"""What S3 checks and moto does not, in front of moto's WSGI application.

- the body has the SHA-256 that was signed (XAmzContentSHA256Mismatch) and that its checksum header says (BadDigest),
- an aws-chunked body with a trailing checksum is well formed, of the length it says, and has that checksum,
- a copy's conditions on its source and on its destination, also those of a part and of an upload's completion,
- every part of an upload is completed with the checksum it was stored with,
- a part belongs to an upload that is there,
- the request is signed for the bucket's region and within 15 minutes of now.
"""

import base64
import datetime
import hashlib
import io
import json
import re
import threading
import urllib.parse
import xml.etree.ElementTree
from xml.sax.saxutils import escape

from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends

TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MAXIMUM_SKEW_SECONDS = 15 * 60
LOCAL_HOST = re.compile(r"^(?:(?P<bucket>[^:]+)\.)?(?:localhost|127\.0\.0\.1)(?::\d+)?$")


class Refusal(Exception):
    def __init__(self, status, code, message, extra=""):
        super().__init__(code)
        self.status, self.code, self.message, self.extra = status, code, message, extra


class Gate:
    """Holds back the next request of one kind, or its answer, for tests of what happens meanwhile.

    POST /_gate {"operation": "COPY", "moment": "before"}   the next one is held; without a copy it is the method
    GET /_gate      {"isHolding": …}
    DELETE /_gate   it goes on; with ?drop=true its connection ends instead
    """

    PATH = "/_gate"
    LIMIT_SECONDS = 60

    def __init__(self):
        self.changed = threading.Condition()
        self.wanted, self.is_holding, self.drops = None, False, False

    def control(self, environ, body, start_response):
        with self.changed:
            if environ["REQUEST_METHOD"] == "POST":
                order = json.loads(body)
                self.wanted = order["operation"], order["moment"]
            elif environ["REQUEST_METHOD"] == "DELETE":
                self.wanted, self.is_holding = None, False
                self.drops = environ.get("QUERY_STRING") == "drop=true"
                self.changed.notify_all()
            answer = json.dumps({"isHolding": self.is_holding}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
        return [answer]

    def pass_through(self, request, moment):
        operation = request.method if request.header("x-amz-copy-source") is None else "COPY"
        with self.changed:
            if self.wanted != (operation, moment):
                return
            self.wanted, self.is_holding = None, True
            self.changed.wait_for(lambda: not self.is_holding, self.LIMIT_SECONDS)
            if self.drops:
                self.drops = False
                raise ConnectionError("dropped at the gate")


class Front:
    def __init__(self, application):
        self.application = application
        self.gate = Gate()
        # A condition and the write that depends on it happen together.
        self.writing = threading.Lock()
        self.parts = {}

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        if len(body) < length:
            raise ConnectionError("the client went away while it sent its body")
        environ["wsgi.input"] = io.BytesIO(body)
        if environ["PATH_INFO"] == Gate.PATH:
            return self.gate.control(environ, body, start_response)
        if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
            return self.application(environ, start_response)
        request = Request(environ, body)
        try:
            check_time(request)
            check_region(request)
            content = check_body(request)
            self.gate.pass_through(request, "before")
            if request.method == "GET" and "uploadId" in request.query:
                return self.list_parts(environ, start_response)
            if request.method in ("GET", "HEAD"):
                return self.application(environ, start_response)
            with self.writing:
                self.check_copy(request)
                check_upload(request)
                self.check_completion(request)
                statuses = []

                def recorded(status, headers, *rest):
                    statuses.append(int(status.split()[0]))
                    return start_response(status, headers, *rest)

                answer = list(self.application(environ, recorded))
                if statuses and statuses[0] == 200:
                    self.remember_part(request, content)
            self.gate.pass_through(request, "after")
            return answer
        except Refusal as refusal:
            return refuse(refusal, start_response, request.method)

    def check_copy(self, request):
        source = request.header("x-amz-copy-source")
        if source is None:
            return
        path, _, query = source.partition("?")
        bucket, _, key = urllib.parse.unquote(path).lstrip("/").partition("/")
        version = urllib.parse.parse_qs(query).get("versionId", [None])[0]
        wanted = request.header("x-amz-copy-source-if-match")
        if wanted is not None and etag_of(bucket, key, version) not in (None, wanted.strip('"')):
            raise precondition_failed("x-amz-copy-source-If-Match")
        if "partNumber" not in request.query:
            check_destination(request)

    def list_parts(self, environ, start_response):
        """moto names the root element of this one answer otherwise than S3 does."""
        started = []
        body = b"".join(self.application(environ, lambda status, headers, *_: started.append((status, headers))))
        body = body.replace(b"ListPartsResponse", b"ListPartsResult")
        status, headers = started[0]
        headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        start_response(status, [*headers, ("Content-Length", str(len(body)))])
        return [body]

    def remember_part(self, request, content):
        if request.method == "PUT" and "partNumber" in request.query and request.header("x-amz-copy-source") is None:
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            self.parts[request.query["uploadId"][0], int(request.query["partNumber"][0])] = digest

    def check_completion(self, request):
        if request.method != "POST" or "uploadId" not in request.query:
            return
        check_destination(request)
        upload = request.query["uploadId"][0]
        try:
            root = xml.etree.ElementTree.fromstring(request.body)
        except xml.etree.ElementTree.ParseError:
            raise Refusal(400, "MalformedXML", "The XML you provided was not well-formed.") from None
        for part in root.iterfind("{*}Part"):
            number = int(part.findtext("{*}PartNumber"))
            given, stored = part.findtext("{*}ChecksumSHA256"), self.parts.get((upload, number))
            if stored is not None and given is None:
                raise Refusal(
                    400,
                    "InvalidRequest",
                    "The upload was created using a sha256 checksum. The complete request must include the checksum"
                    " for each part.",
                )
            if stored is not None and given != stored:
                raise Refusal(400, "InvalidPart", "One or more of the specified parts could not be found.")


class Request:
    def __init__(self, environ, body):
        self.environ, self.body, self.method = environ, body, environ["REQUEST_METHOD"]
        target = environ.get("RAW_URI") or environ["REQUEST_URI"]
        path, _, query = target.partition("?")
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        path = urllib.parse.unquote(path)
        match = LOCAL_HOST.match(environ["HTTP_HOST"])
        if match and match["bucket"]:
            self.bucket, self.key = match["bucket"], path[1:]
        else:
            self.bucket, _, self.key = path[1:].partition("/")

    def header(self, name):
        return self.environ.get("HTTP_" + name.upper().replace("-", "_"))


def check_time(request):
    stamp = request.header("x-amz-date")
    if stamp is None:
        raise Refusal(403, "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    signed = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    now = datetime.datetime.now(datetime.timezone.utc)
    if abs((now - signed).total_seconds()) > MAXIMUM_SKEW_SECONDS:
        raise Refusal(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )


def check_region(request):
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(request.bucket)
    used = request.header("authorization").split("/aws4_request")[0].split("/")[-2]
    if bucket is not None and used != bucket.region_name:
        message = f"The authorization header is malformed; the region '{used}' is wrong; expecting '{bucket.region_name}'"
        region = f"<Region>{bucket.region_name}</Region>"
        raise Refusal(400, "AuthorizationHeaderMalformed", message, region)


def check_body(request):
    """Returns the content that the body carries."""
    signed = request.header("x-amz-content-sha256")
    if signed is None:
        raise Refusal(400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if signed == TRAILER:
        return check_trailer(request)
    digest = hashlib.sha256(request.body)
    if signed != "UNSIGNED-PAYLOAD" and signed != digest.hexdigest():
        message = "The provided 'x-amz-content-sha256' header does not match what was computed."
        raise Refusal(400, "XAmzContentSHA256Mismatch", message)
    check_checksum(request, request.header("x-amz-checksum-sha256"), digest)
    return request.body


def check_trailer(request):
    malformed = Refusal(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed.")
    stream, content = io.BytesIO(request.body), bytearray()
    try:
        while size := int(stream.readline(), 16):
            chunk = stream.read(size)
            if len(chunk) < size or stream.read(2) != b"\r\n":
                raise Refusal(400, "IncompleteBody", "The request body terminated unexpectedly.")
            content += chunk
            if size < 8192 and len(content) < int(request.header("x-amz-decoded-content-length")):
                raise Refusal(400, "InvalidChunkSizeError", "Only the last chunk is allowed to have less than 8192 bytes")
    except ValueError:
        raise malformed from None
    if len(content) != int(request.header("x-amz-decoded-content-length") or -1):
        raise Refusal(400, "IncompleteBody", "The request body has another length than it said.")
    name, _, value = stream.read().partition(b":")
    if name.decode() != request.header("x-amz-trailer") or not value.endswith(b"\r\n\r\n"):
        raise malformed
    if "aws-chunked" not in (request.header("content-encoding") or ""):
        raise malformed
    check_checksum(request, value.strip().decode(), hashlib.sha256(content))
    return bytes(content)


def check_upload(request):
    """moto answers 500 to a part of an upload that is not there."""
    bucket = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(request.bucket)
    if "uploadId" not in request.query or bucket is None or request.method not in ("PUT", "POST"):
        return
    if request.query["uploadId"][0] not in bucket.multiparts:
        raise Refusal(404, "NoSuchUpload", "The specified upload does not exist.")


def check_destination(request):
    current = etag_of(request.bucket, request.key)
    wanted = request.header("if-match")
    if wanted is not None:
        if current is None:
            raise Refusal(404, "NoSuchKey", "The specified key does not exist.")
        if current != wanted.strip('"'):
            raise precondition_failed("If-Match")
    if request.header("if-none-match") == "*" and current is not None:
        raise precondition_failed("If-None-Match")


def check_checksum(request, given, digest):
    if given is None or request.method == "POST":
        return
    if given != base64.b64encode(digest.digest()).decode():
        raise Refusal(400, "BadDigest", "The SHA256 you specified did not match the calculated checksum.")
    # moto keeps a checksum only when this header of the SDKs names the algorithm.
    request.environ["HTTP_X_AMZ_SDK_CHECKSUM_ALGORITHM"] = "SHA256"


def etag_of(bucket, key, version=None):
    found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets.get(bucket)
    if found is None:
        return None
    item = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key, version_id=version)
    return None if item is None else item.etag.strip('"')


def precondition_failed(condition):
    message = "At least one of the pre-conditions you specified did not hold"
    return Refusal(412, "PreconditionFailed", message, f"<Condition>{condition}</Condition>")


def refuse(refusal, start_response, method):
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{escape(refusal.message)}</Message>{refusal.extra}"
        "<RequestId>FRONT</RequestId></Error>"
    ).encode()
    headers = [("Content-Type", "application/xml"), ("x-amz-request-id", "FRONT")]
    if method == "HEAD":
        body = b""
    else:
        headers.append(("Content-Length", str(len(body))))
    start_response(f"{refusal.status} {refusal.code}", headers)
    return [body]
