#!/usr/bin/env python3
"""A long way to the partner, on one machine: runs a command with a delaying link to a far network namespace.

    bench/link.py --rtt-ms 20 -- COMMAND …

The command runs in a network namespace of its own (near) with a loopback interface. A second one (far) is joined to
it by a pair of TUN devices; a process of ours carries the packets between them and holds each for half the round
trip. The TCP connections run end to end between the two kernels' stacks, so slow start, windows and acknowledgements
behave as on a real line. Nothing outside the two namespaces is touched, and both vanish with the command.

The command's environment says where things are: LINK_FAR_PID (enter the far namespace with
`nsenter --net=/proc/PID/ns/net`), LINK_FAR_ADDRESS, LINK_NEAR_ADDRESS, LINK_RTT_MS. Before the command starts, the
link is measured with TCP connects, and refused if it does not delay what it says.
"""

import argparse
import array
import collections
import ctypes
import fcntl
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import time

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
NEAR, FAR = "198.18.0.1", "198.18.0.2"  # the range kept for measurements by RFC 2544
MTU_BYTES = 1500
QUEUE_LIMIT_PACKETS = 20_000
MEASUREMENTS = 5

libc = ctypes.CDLL(None, use_errno=True)


def enter_new_network():
    if libc.unshare(CLONE_NEWNET) != 0:
        sys.exit(f"link: no network namespace of our own: {os.strerror(ctypes.get_errno())} (root is needed)")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def open_tun(name, address, peer):
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "addr", "add", address, "peer", peer, "dev", name], check=True)
    subprocess.run(["ip", "link", "set", name, "mtu", str(MTU_BYTES), "txqueuelen", "10000", "up"], check=True)
    return descriptor


def end_with_parent():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def far_namespace(channel):
    """Holds the far namespace open until it is killed."""
    end_with_parent()
    enter_new_network()
    descriptor = open_tun("far0", FAR, NEAR)
    # The listener that the measurement before the start connects to.
    listener = socket.create_server((FAR, 7))
    channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
    os.close(descriptor)
    while True:
        listener.accept()[0].close()


def carry(near, far, delay_seconds):
    """Moves packets both ways, each held for the delay."""
    end_with_parent()
    target = {near: far, far: near}
    waiting = {near: collections.deque(), far: collections.deque()}
    for descriptor in target:
        os.set_blocking(descriptor, False)
    while True:
        dues = [queue[0][0] for queue in waiting.values() if queue]
        timeout = max(0.0, min(dues) - time.monotonic()) if dues else None
        readable, _, _ = select.select([near, far], [], [], timeout)
        now = time.monotonic()
        for descriptor in readable:
            queue = waiting[descriptor]
            try:
                while True:
                    packet = os.read(descriptor, MTU_BYTES + 64)
                    if len(queue) < QUEUE_LIMIT_PACKETS:  # a full queue drops, as a router does
                        queue.append((now + delay_seconds, packet))
            except BlockingIOError:
                pass
        now = time.monotonic()
        for descriptor, queue in waiting.items():
            while queue and queue[0][0] <= now:
                try:
                    os.write(target[descriptor], queue.popleft()[1])
                except OSError:
                    pass  # the device is going away


def measured_rtt_ms():
    """The median time of a TCP connect to the far side."""
    samples = []
    for _ in range(7):
        start = time.monotonic()
        try:
            socket.create_connection((FAR, 7), timeout=5).close()
        except OSError as error:
            sys.exit(f"link: the far side does not answer: {error}")
        samples.append((time.monotonic() - start) * 1000)
    return statistics.median(samples)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt-ms", type=float, required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("a command is needed")

    here, there = socket.socketpair()
    far_pid = os.fork()
    if far_pid == 0:
        here.close()
        far_namespace(there)
    there.close()
    _, ancillary, _, _ = here.recvmsg(1, socket.CMSG_SPACE(4))
    if not ancillary:
        sys.exit("link: the far namespace could not be made")
    far_descriptor = array.array("i", ancillary[0][2])[0]
    enter_new_network()
    near_descriptor = open_tun("near0", NEAR, FAR)
    carrier_pid = os.fork()
    if carrier_pid == 0:
        carry(near_descriptor, far_descriptor, options.rtt_ms / 2000)
    os.close(near_descriptor)
    os.close(far_descriptor)
    try:
        for _ in range(MEASUREMENTS):  # a busy moment of the machine is no fault of the link
            measured = measured_rtt_ms()
            is_right = options.rtt_ms <= measured <= options.rtt_ms + max(3.0, options.rtt_ms * 0.15)
            if is_right:
                break
        if not is_right:
            sys.exit(f"link: asked for {options.rtt_ms} ms, measured {measured:.2f} ms")
        print(f"link: round trip {measured:.2f} ms (asked for {options.rtt_ms:g})", file=sys.stderr)
        where = {
            "LINK_FAR_PID": str(far_pid),
            "LINK_FAR_ADDRESS": FAR,
            "LINK_NEAR_ADDRESS": NEAR,
            "LINK_RTT_MS": f"{options.rtt_ms:g}",
        }
        status = subprocess.run(command, env={**os.environ, **where}).returncode
    finally:
        for pid in (carrier_pid, far_pid):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    sys.exit(status)


if __name__ == "__main__":
    main()
