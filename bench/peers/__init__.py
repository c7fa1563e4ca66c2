"""What is compared: ours, and what people use instead. Each peer is started by `started`, which gives a `Run`."""

from .commands import OpenSSH, Rclone
from .functions import PEER_PYTHON, Ours, PythonFunction

PEERS = {
    peer.name: peer
    for peer in (
        Ours("ours", "sftp-lambda"),
        Rclone("rclone", "rclone"),
        PythonFunction("asyncssh", "asyncssh + boto3"),
        PythonFunction("paramiko", "paramiko + boto3"),
        OpenSSH("sftp", "OpenSSH sftp, no S3"),
    )
}
