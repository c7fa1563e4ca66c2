"""The function's side: invocations, the state of the runtime, and the Runtime API itself.

Sources: AWS Lambda Developer Guide, "Using the Lambda runtime API for custom runtimes", and the OpenAPI document that
it links to. Error types and messages, where those say nothing, are those of AWS's own implementation of the Runtime
API (aws-lambda-runtime-interface-emulator).
"""

import asyncio
import collections
import json
import re
import secrets
import time
import uuid

from .sandbox import Sandbox
from .server import Response

MAXIMUM_PAYLOAD_BYTES = 6 * 1024 * 1024 + 100  # 6,291,556, as AWS's messages say it
MAXIMUM_QUEUED = 10_000
REMEMBERED_TIMEOUTS = 1_000
REMEMBERED_REQUESTS = 256
REMEMBERED_BODY_BYTES = 4096
INIT_TIMEOUT_SECONDS = 10  # "The Init phase is limited to 10 seconds" (Lambda execution environment lifecycle)
VERSION = "/2018-06-01/runtime"
RESULT_PATH = re.compile(VERSION + r"/invocation/([^/]+)/(response|error)")


def error(status, error_type, message):
    return Response(status, {"errorMessage": message, "errorType": error_type})


def invalid_request_id():
    return error(400, "InvalidRequestID", "Invalid request ID")


def invalid_transition(state, wanted):
    return error(
        403, "InvalidStateTransition",
        f"Transition from {state} to {wanted} failed for runtime. Error: State transition is not allowed")


def accepted():
    return Response(202, {"status": "OK"})


class Invocation:
    def __init__(
        self, event, timeout_seconds, client_context=None, cognito_identity=None, tenant_id=None, trace_id=None,
        request_id=None,
    ):
        self.event = event
        self.timeout_seconds = timeout_seconds
        self.client_context = client_context
        self.cognito_identity = cognito_identity
        self.tenant_id = tenant_id
        self.trace_id = trace_id or "Root=1-%08x-%s;Parent=%s;Sampled=0" % (
            int(time.time()), secrets.token_hex(12), secrets.token_hex(8))
        self.request_id = request_id or str(uuid.uuid4())
        self.invocation_id = str(uuid.uuid4())
        self.result = asyncio.get_running_loop().create_future()
        self.timer = None
        self.fetched = None
        self.log_position = 0

    def headers(self, arn):
        optional = {
            "Lambda-Runtime-Trace-Id": self.trace_id,
            "Lambda-Runtime-Client-Context": self.client_context,
            "Lambda-Runtime-Cognito-Identity": self.cognito_identity,
            "Lambda-Runtime-Aws-Tenant-Id": self.tenant_id,
        }
        return {
            "Content-Type": "application/json",
            "Lambda-Runtime-Aws-Request-Id": self.request_id,
            "Lambda-Runtime-Invocation-Id": self.invocation_id,
            "Lambda-Runtime-Deadline-Ms": str(self.deadline_milliseconds),
            "Lambda-Runtime-Invoked-Function-Arn": arn,
        } | {name: value for name, value in optional.items() if value}

    def begin(self):
        self.fetched = time.monotonic()
        self.deadline_milliseconds = int((time.time() + self.timeout_seconds) * 1000)


class Result:
    """What became of an invocation; `function_error` is None or the value of X-Amz-Function-Error."""

    def __init__(self, payload, function_error=None, log=b"", request_id="", seconds=None):
        self.payload = payload
        self.function_error = function_error
        self.log = log
        self.request_id = request_id
        self.seconds = seconds  # From when the function fetched it; None if it never did.


class Engine:
    """Hands out one invocation at a time. `configuration.task_root` None: the function is started by somebody else."""

    def __init__(self, configuration, starts_function):
        self.configuration = configuration
        self.starts_function = starts_function
        self.address = None
        self.sandbox = None
        self.pending = collections.deque()
        self.requests = collections.deque(maxlen=REMEMBERED_REQUESTS)
        self.timed_out = collections.deque(maxlen=REMEMBERED_TIMEOUTS)
        self.faults = {"next": [], "response": [], "error": [], "init/error": []}
        self.current = None
        self.last_request_id = None
        self.starts = 0
        self.begin_environment()

    def begin_environment(self):
        """A new execution environment: nothing has called the Runtime API yet."""
        self.waiter = None
        self.initialized = False
        self.init_seconds = None  # From the start of the process to its first `next`.
        self.started = time.monotonic()
        self.init_error = None
        self.init_timer = None

    # The caller's side.

    def submit(self, invocation):
        if len(self.pending) >= MAXIMUM_QUEUED:
            raise OverflowError("too many invocations are waiting")
        self.pending.append(invocation)
        self.dispatch()

    def dispatch(self):
        if self.current or not self.pending:
            return
        if self.init_error is not None:
            # "Error will be served in response to the first invoke."
            body, self.init_error = self.init_error, None
            self.finish(self.pending.popleft(), body, "Unhandled")
            self.end_environment()
            self.dispatch()
        elif self.waiter:
            self.current = self.pending.popleft()
            self.current.begin()
            loop = asyncio.get_running_loop()
            self.current.timer = loop.call_later(self.current.timeout_seconds, self.time_out, self.current)
            if self.sandbox:
                self.current.log_position = self.sandbox.log_position
                self.platform_log(f"START RequestId: {self.current.request_id} Version: $LATEST")
            waiter, self.waiter = self.waiter, None
            waiter.set_result(self.current)
        elif self.starts_function and not self.sandbox:
            self.start_function()

    def finish(self, invocation, payload, function_error):
        log = b""
        if invocation.timer:
            invocation.timer.cancel()
        if self.sandbox:
            self.sandbox.drain()
            if invocation.fetched:
                self.platform_report(invocation)
            log = self.sandbox.log_since(invocation.log_position)
        if self.current is invocation:
            self.current = None
            self.last_request_id = invocation.request_id
        if not invocation.result.done():
            seconds = time.monotonic() - invocation.fetched if invocation.fetched else None
            invocation.result.set_result(Result(payload, function_error, log, invocation.request_id, seconds))

    def fail(self, invocation, error_type, message):
        text = f"RequestId: {invocation.request_id} Error: {message}"
        body = json.dumps({"errorType": error_type, "errorMessage": text}).encode()
        self.finish(invocation, body, "Unhandled")

    # The function's process.

    def start_function(self):
        self.begin_environment()
        self.starts += 1
        try:
            self.sandbox = Sandbox(self.configuration, self.address, self.exited)
        except (OSError, ValueError) as failure:
            for invocation in self.pending:
                self.fail(invocation, "Runtime.InvalidEntrypoint", f"fork/exec {self.configuration.command[0]}: {failure}")
            self.pending.clear()
            return
        self.init_timer = asyncio.get_running_loop().call_later(INIT_TIMEOUT_SECONDS, self.init_timed_out)

    def end_environment(self):
        if self.init_timer:
            self.init_timer.cancel()
        if self.waiter:
            self.waiter.cancel()
        if self.sandbox:
            sandbox, self.sandbox = self.sandbox, None
            sandbox.kill()
        self.begin_environment()

    def exited(self, status):
        if status == 0:
            reason = "Runtime exited without providing a reason"
        elif status < 0:
            reason = "Runtime exited with error: signal: " + {9: "killed", 15: "terminated"}.get(-status, str(-status))
        else:
            reason = f"Runtime exited with error: exit status {status}"
        if self.current:
            self.fail(self.current, "Runtime.ExitError", reason)
        elif self.pending and self.init_error is not None:
            body, self.init_error = self.init_error, None
            self.finish(self.pending.popleft(), body, "Unhandled")
        elif self.pending and not self.initialized:
            self.fail(self.pending.popleft(), "Runtime.ExitError", reason)
        init_error = self.init_error  # Kept for the first invocation, if none is waiting for it.
        self.sandbox = None
        self.end_environment()
        self.init_error = init_error
        self.dispatch()

    def time_out(self, invocation):
        message = "Task timed out after %.2f seconds" % invocation.timeout_seconds
        self.platform_log("%s %s %s" % (
            time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()), invocation.request_id, message))
        self.timed_out.append(invocation.request_id)
        self.fail(invocation, "Sandbox.Timedout", message)
        self.end_environment()
        self.dispatch()

    def init_timed_out(self):
        if self.initialized or not self.sandbox:
            return
        if self.pending:
            self.fail(
                self.pending.popleft(), "Sandbox.Timedout", "Task timed out after %.2f seconds" % INIT_TIMEOUT_SECONDS)
        self.end_environment()
        self.dispatch()

    def platform_log(self, line):
        if self.sandbox:
            self.sandbox.write_log(line.encode() + b"\n")

    def platform_report(self, invocation):
        milliseconds = (time.monotonic() - invocation.fetched) * 1000
        peak = self.sandbox.peak_memory_bytes()
        report = f"REPORT RequestId: {invocation.request_id}\tDuration: {milliseconds:.2f} ms"
        report += f"\tMemory Size: {self.configuration.memory_size} MB"
        if peak is not None:
            report += f"\tMax Memory Used: {-(-peak // (1024 * 1024))} MB"
        self.platform_log(f"END RequestId: {invocation.request_id}")
        self.platform_log(report)

    # The Runtime API.

    async def answer(self, request):
        entry = {
            "method": request.method, "path": request.path, "headers": request.headers,
            "body": request.body[:REMEMBERED_BODY_BYTES].decode("utf-8", "replace"), "bodyBytes": len(request.body),
        }
        self.requests.append(entry)
        response = await self.route(request)
        entry["status"] = response.status
        return response

    async def route(self, request):
        match = RESULT_PATH.fullmatch(request.path)
        operation = match.group(2) if match else request.path.removeprefix(VERSION + "/").removeprefix("invocation/")
        if operation not in self.faults or not request.path.startswith(VERSION):
            return error(404, "NotFound", "404 page not found")
        if request.method != ("GET" if operation == "next" else "POST"):
            return error(405, "MethodNotAllowed", "method not allowed")
        fault = self.faults[operation].pop(0) if self.faults[operation] else {}
        if fault.get("kind") == "drop":
            return Response(200, broken="drop")
        if operation == "next":
            response = await self.next(fault)
        elif operation == "init/error":
            response = error(fault["status"], "Fault", "on demand") if "status" in fault else self.report_init(request)
        elif "status" in fault:
            response = self.refuse_on_demand(match.group(1), fault["status"])
        else:
            response = self.take_result(match.group(1), operation, request)
        if fault.get("kind") == "dropAfter":
            response.broken = "drop"
        return response

    async def next(self, fault):
        if "status" in fault:
            return error(fault["status"], "Fault", "answered on demand")
        if self.init_error is not None:
            return invalid_transition("RuntimeInitError", "Ready")
        if not self.initialized:
            self.initialized = True
            self.init_seconds = time.monotonic() - self.started
        if self.init_timer:
            self.init_timer.cancel()
        invocation = self.current  # Not answered yet: whoever asks again gets it again.
        if invocation is None:
            if self.waiter:
                self.waiter.cancel()  # One poll at a time; the newest is the one that is alive.
            waiter = self.waiter = asyncio.get_running_loop().create_future()
            self.dispatch()
            try:
                invocation = await waiter
            finally:
                if self.waiter is waiter:
                    self.waiter = None
        headers = invocation.headers(self.configuration.arn)
        for name in fault.get("omit", []):
            headers.pop(name, None)
        headers |= fault.get("set", {})
        return Response(200, invocation.event, headers, broken="cut" if fault.get("kind") == "cut" else None)

    def report_init(self, request):
        if self.initialized or self.init_error is not None:
            return invalid_transition("RuntimeReady", "RuntimeInitError")
        self.init_error = self.error_body(request)
        if not self.sandbox:
            self.dispatch()  # With a process of its own, its exit comes next, and then the first invocation gets it.
        return accepted()

    def refuse_on_demand(self, request_id, status):
        if self.current and self.current.request_id == request_id:
            self.fail(self.current, "Local.Fault", f"the Runtime API answered {status} on demand")
        return error(status, "Fault", "answered on demand")

    def take_result(self, request_id, operation, request):
        invocation = self.current
        wanted = {"response": "RuntimeInvocationResponse", "error": "RuntimeInvocationErrorResponse"}[operation]
        if request_id in self.timed_out:
            return error(410, "InvokeTimeout", "Invoke timeout")
        if invocation is None or invocation.request_id != request_id:
            if invocation is None and request_id == self.last_request_id:
                return invalid_transition("RuntimeResponseSent", wanted)
            return invalid_request_id()
        if request.headers.get("lambda-runtime-invocation-id", invocation.invocation_id) != invocation.invocation_id:
            return error(410, "InvokeTimeout", "Invoke timeout")
        if len(request.body) > MAXIMUM_PAYLOAD_BYTES:
            text = (
                f"Response payload size ({len(request.body)} bytes) exceeded maximum allowed payload size "
                f"({MAXIMUM_PAYLOAD_BYTES} bytes).")
            body = {"errorMessage": text, "errorType": "Function.ResponseSizeTooLarge"}
            self.finish(invocation, json.dumps(body).encode(), "Unhandled")
            return error(
                413, "RequestEntityTooLarge", f"Exceeded maximum allowed payload size ({MAXIMUM_PAYLOAD_BYTES} bytes).")
        if operation == "response":
            self.finish(invocation, request.body, None)
        else:
            self.finish(invocation, self.error_body(request), "Unhandled")
        return accepted()

    def error_body(self, request):
        """Without a body, Lambda makes one of the header."""
        if request.body:
            return request.body
        error_type = request.headers.get("lambda-runtime-function-error-type", "")
        if not re.fullmatch(r"(Runtime|Function)\.[A-Z][a-zA-Z]+", error_type):
            error_type = "Function.Unknown" if error_type.startswith("Function.") else "Runtime.Unknown"
        return json.dumps({"errorType": error_type}).encode()
