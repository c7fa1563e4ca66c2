#!/usr/bin/env python3
"""An emulator of the AWS Lambda Runtime API, and of as much of Lambda as runs a function from its unpacked zip.

As a program it follows the contract of the stand-ins (Tests/TestKit/StandIn.swift): its ready line has `address`, for
AWS_LAMBDA_RUNTIME_API, and `control`, the base URL of what runtime_api_emulator/control.py describes.

As a module:

    with RuntimeAPI(Configuration(task_root="dist/pull", environment={...})) as runtime_api:
        result = runtime_api.invoke(b"{}", timeout_seconds=60)
        print(result.function_error, result.payload, result.log)
"""

import argparse
import asyncio
import json
import shlex
import signal
import sys
import threading

from runtime_api_emulator.control import Control
from runtime_api_emulator.invocations import Engine, Invocation
from runtime_api_emulator.sandbox import Configuration
from runtime_api_emulator.server import Server

DEFAULT_TIMEOUT_SECONDS = 3  # Lambda's own default


class RuntimeAPI:
    """The emulator on a thread of its own. Without a configuration the function is started by somebody else."""

    def __init__(self, configuration=None, timeout_seconds=DEFAULT_TIMEOUT_SECONDS):
        self.configuration = configuration or Configuration(task_root="/")
        self.starts_function = configuration is not None
        self.timeout_seconds = timeout_seconds
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self):
        """Listens. The function is started by the first invocation, as on Lambda."""
        self.thread.start()
        self.call(self.open())

    def stop(self):
        """Ends the function and frees the ports."""
        self.call(self.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def invoke(self, event, timeout_seconds=None, **options):
        """Invokes the function and waits for its result, an `invocations.Result`. Options: see `Invocation`."""
        return self.call(self.result(event, timeout_seconds or self.timeout_seconds, options))

    def call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    async def result(self, event, timeout_seconds, options):
        invocation = Invocation(event, timeout_seconds, **options)
        self.engine.submit(invocation)
        return await invocation.result

    async def open(self):
        self.engine = Engine(self.configuration, self.starts_function)
        self.runtime_server = Server(self.engine.answer)
        self.control_server = Server(Control(self.engine, self.timeout_seconds).answer)
        await self.runtime_server.start()
        await self.control_server.start()
        self.engine.address = self.address = self.runtime_server.address
        self.control = f"http://{self.control_server.address}"

    async def close(self):
        self.engine.end_environment()
        self.runtime_server.stop()
        self.control_server.stop()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description="An emulator of the AWS Lambda Runtime API.")
    parser.add_argument("--task-root", help="the unpacked zip; its bootstrap is started for the first invocation")
    parser.add_argument("--command", help="what to start instead of TASK_ROOT/bootstrap, in the shell's quoting")
    parser.add_argument("--root", help="chroot here first (needs root); the other paths are then inside it")
    parser.add_argument("--function-name", default="function")
    parser.add_argument("--memory-size", type=int, default=128, help="MB, as the function is told; it is not enforced")
    parser.add_argument("--region", default="eu-central-1")
    parser.add_argument("--timeout-seconds", type=float, default=DEFAULT_TIMEOUT_SECONDS)
    parser.add_argument("--environment", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--log", help="where the function's output goes instead of standard error")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    configuration = Configuration(
        task_root=arguments.task_root or "/",
        command=shlex.split(arguments.command) if arguments.command else None, root=arguments.root,
        function_name=arguments.function_name, memory_size=arguments.memory_size, region=arguments.region,
        environment=dict(pair.split("=", 1) for pair in arguments.environment), log_path=arguments.log)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    runtime_api = RuntimeAPI(configuration, arguments.timeout_seconds)
    runtime_api.starts_function = bool(arguments.task_root or arguments.command)
    with runtime_api:
        print(json.dumps({"address": runtime_api.address, "control": runtime_api.control}), flush=True)
        while sys.stdin.buffer.read(4096):
            pass


if __name__ == "__main__":
    main()
