"""asyncssh's SFTP server in the foreground, for local/sftp_server.py: as its documentation shows it, with nothing changed."""

import argparse
import asyncio
import os

import asyncssh


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--root", required=True, help="the login directory")
    parser.add_argument("--host-key", required=True)
    parser.add_argument("--authorized-keys", required=True)
    return parser.parse_args()


async def serve(options):
    os.chdir(options.root)
    server = await asyncssh.listen(
        options.address,
        options.port,
        server_host_keys=[options.host_key],
        authorized_client_keys=options.authorized_keys,
        sftp_factory=True,
    )
    await server.wait_closed()


asyncio.run(serve(arguments()))
