"""The caller's side: Lambda's Invoke API, and what tests need besides it.

POST /2015-03-31/functions/{name}/invocations   as in the Lambda API reference, "Invoke", and in addition
    X-Local-Timeout-Seconds: how long the function may take, counted from when it fetches the invocation
    X-Local-Cognito-Identity, X-Local-Request-Id: what `next` says
    X-Local-Raw-Event: pass the payload on even if it is not JSON, which Lambda would refuse
POST /batch?count=N     the body is invoked N times, one after the other: {"succeeded": …, "failed": …}
POST /faults            {"target": "next|response|error|init/error", "kind": …, "status": …, "omit": [...], "set": {...},
                         "count": 1}; kinds: status, drop (before the request is looked at), dropAfter, headers, cut
POST /signal?number=N   the process that works on an invocation gets a signal; nothing when there is none
POST /reset             a new execution environment; faults are forgotten
GET  /requests          the last requests to the Runtime API
GET  /log               what the running function has logged
GET  /state             {"starts": …, "pid": …}
"""

import base64
import json
import re

from .invocations import Invocation
from .server import Response

INVOKE_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")
MAXIMUM_EVENT_BYTES = {"RequestResponse": 6 * 1024 * 1024, "Event": 1024 * 1024}
LOG_TAIL_BYTES = 4096  # "the last 4 KB of the execution log" (X-Amz-Log-Result)
MAXIMUM_BATCH = 1_000_000


def failure(status, error_type, message):
    return Response(status, {"Type": "User", "Message": message}, {"X-Amzn-ErrorType": error_type})


class Control:
    def __init__(self, engine, timeout_seconds):
        self.engine = engine
        self.timeout_seconds = timeout_seconds

    async def answer(self, request):
        if match := INVOKE_PATH.fullmatch(request.path):
            if request.method != "POST":
                return failure(405, "MethodNotAllowed", "POST only")
            return await self.invoke(match.group(1), request)
        route = (request.method, request.path)
        if route == ("POST", "/batch"):
            return await self.batch(request)
        if route == ("POST", "/faults"):
            fault = request.json()
            self.engine.faults[fault["target"]] += [fault] * int(fault.get("count", 1))
            return Response(200, {})
        if route == ("POST", "/signal"):
            if self.engine.current and self.engine.sandbox:
                self.engine.sandbox.send(int(request.query["number"]))
            return Response(200, {})
        if route == ("POST", "/reset"):
            self.engine.end_environment()
            for faults in self.engine.faults.values():
                faults.clear()
            return Response(200, {})
        if route == ("GET", "/requests"):
            return Response(200, list(self.engine.requests))
        if route == ("GET", "/state"):
            sandbox = self.engine.sandbox
            return Response(200, {"starts": self.engine.starts, "pid": sandbox.process.pid if sandbox else None})
        if route == ("GET", "/log"):
            sandbox = self.engine.sandbox
            if sandbox:
                sandbox.drain()
            return Response(200, bytes(sandbox.log) if sandbox else b"", {"Content-Type": "text/plain"})
        return failure(404, "ResourceNotFoundException", "no such path")

    async def invoke(self, name, request):
        headers = request.headers
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        if name not in (self.engine.configuration.function_name, "function"):
            return failure(404, "ResourceNotFoundException", f"Function not found: {name}")
        if kind == "DryRun":
            return Response(204)
        if kind not in MAXIMUM_EVENT_BYTES:
            return failure(400, "InvalidParameterValueException", "unknown invocation type")
        if len(request.body) > MAXIMUM_EVENT_BYTES[kind]:
            return failure(
                413, "RequestEntityTooLargeException",
                f"{len(request.body)} byte payload is too large for the {kind} invocation type "
                f"(limit {MAXIMUM_EVENT_BYTES[kind]} bytes)")
        if "x-local-raw-event" not in headers and request.body:
            try:
                json.loads(request.body)
            except ValueError as error:
                return failure(
                    400, "InvalidRequestContentException", f"Could not parse request body into json: {error}")
        context = headers.get("x-amz-client-context")
        invocation = Invocation(
            request.body, float(headers.get("x-local-timeout-seconds", self.timeout_seconds)),
            client_context=base64.b64decode(context).decode() if context and kind == "RequestResponse" else None,
            cognito_identity=headers.get("x-local-cognito-identity"), tenant_id=headers.get("x-amz-tenant-id"),
            trace_id=headers.get("x-amzn-trace-id"), request_id=headers.get("x-local-request-id"))
        self.engine.submit(invocation)
        if kind == "Event":
            return Response(202, b"", {"x-amzn-RequestId": invocation.request_id})
        result = await invocation.result
        answer = {"x-amzn-RequestId": result.request_id, "X-Amz-Executed-Version": "$LATEST"}
        answer["Content-Type"] = "application/json"
        if result.function_error:
            answer["X-Amz-Function-Error"] = result.function_error
        if headers.get("x-amz-log-type") == "Tail":
            answer["X-Amz-Log-Result"] = base64.b64encode(result.log[-LOG_TAIL_BYTES:]).decode()
        return Response(200, result.payload, answer)

    async def batch(self, request):
        outcome = {"succeeded": 0, "failed": 0}
        for _ in range(min(int(request.query["count"]), MAXIMUM_BATCH)):
            invocation = Invocation(request.body, self.timeout_seconds)
            self.engine.submit(invocation)
            result = await invocation.result
            outcome["failed" if result.function_error else "succeeded"] += 1
        return Response(200, outcome)
