#!/usr/bin/env python3
"""An https server for tests: says hello, or gives back what it was sent.

    https_server.py --certificate PEM --key PEM [--hang-up] [--redirect STATUS URL]

The ready line has its port. With --hang-up it ends each connection instead of answering the TLS greeting, with --redirect
it sends everybody elsewhere.
"""
import argparse
import http.server
import json
import os
import ssl
import sys
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # A head and its body in two segments would wait for each other's acknowledgement otherwise.
    disable_nagle_algorithm = True

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"hello"
        self.send_response(int(self.server.redirect[0]) if self.server.redirect else 200)
        if self.server.redirect:
            self.send_header("Location", self.server.redirect[1])
        self.send_header("Content-Length", str(len(body)))
        # Whether the handshake was a short one, from a session of an earlier connection.
        self.send_header("X-Session-Reused", str(self.connection.session_reused).lower())
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST = answer

    def log_message(self, form, *arguments):
        print(form % arguments, file=sys.stderr, flush=True)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context, redirect=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.context = context
        self.redirect = redirect

    def finish_request(self, request, address):
        """Runs on the connection's own thread, so that a handshake holds up no other."""
        if self.context is None:
            request.recv(1)
            return
        try:
            with self.context.wrap_socket(request, server_side=True) as connection:
                super().finish_request(connection, address)
        except (ssl.SSLError, ConnectionError) as error:
            print(f"{address}: {error}", file=sys.stderr, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--hang-up", action="store_true")
    parser.add_argument("--redirect", nargs=2)
    arguments = parser.parse_args()
    context = None
    if not arguments.hang_up:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.certificate, arguments.key)
    server = Server(context, arguments.redirect)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": str(server.server_port)}), flush=True)
    sys.stdin.read()
    os._exit(0)


main()
