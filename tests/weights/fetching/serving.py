"""A real HTTP server on this machine that behaves as badly as it is told."""

import contextlib
import http.server
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field

import numpy as np

CONTENT = np.random.default_rng(0).bytes(3_000_000)


@dataclass
class Script:
    """What a server does.

    `manners` are those of the first requests, the last one also of all further ones: "whole"; "cut" after `sent`
    bytes; "reset" of the connection after them; "stall" after them until the test is over; a status as a number; or
    the address of a redirection. `ranges` tells whether it can send a rest.
    """

    content: bytes = CONTENT
    manners: tuple = ("whole",)
    headers: dict = field(default_factory=dict)
    sent: int = 20 << 16
    length: str | None = None  # declared; None for the true one
    ranges: bool = True
    obeys: bool = True  # the header If-Range
    requests: list = field(default_factory=list)  # (path, what the header Range said)
    over: threading.Event = field(default_factory=threading.Event)


class Handler(http.server.BaseHTTPRequestHandler):
    script: Script

    def do_GET(self):
        script = self.script
        manner = script.manners[min(len(script.requests), len(script.manners) - 1)]
        script.requests.append((self.path, self.headers.get("Range")))
        if isinstance(manner, int):
            self.send_error(manner)
        elif manner.startswith(("http", "/", "file:")):
            self.answer(302, {"Location": manner}, b"")
        elif self.path.split("?")[0] != "/mirror/BiT-S-R50x1.npz":
            self.send_error(404)
        else:
            self.send(manner, *self.asked())

    def asked(self):
        """Returns status, headers and content of what was asked for."""
        script = self.script
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        same = self.headers.get("If-Range") in (None, script.headers.get("ETag"), script.headers.get("Last-Modified"))
        if not (start and script.ranges and (same or not script.obeys)):
            return 200, {}, script.content
        place, total = int(start[1]), len(script.content)
        return 206, {"Content-Range": f"bytes {place}-{total - 1}/{total}"}, script.content[place:]

    def send(self, manner, status, headers, content):
        script = self.script
        self.answer(status, headers, content if manner == "whole" else content[: script.sent], len(content))
        if manner == "stall":
            script.over.wait(30)
        if manner == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()

    def answer(self, status, headers, content, length=0):
        self.send_response(status)
        for name, value in (
            {"Content-Length": self.script.length or str(length)} | self.script.headers | headers
        ).items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_):
        """Says nothing."""


@contextlib.contextmanager
def serving(monkeypatch, *, certificate=None, **script):
    """Starts a server, over https with a `certificate` of trustme, makes it the mirror, and yields its `Script`."""
    script = Script(**script)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Scripted", (Handler,), {"script": script}))
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    script.address = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}/mirror"
    monkeypatch.setenv("BIT_KERAS_BASE_URL", script.address)
    try:
        yield script
    finally:
        script.over.set()
        server.shutdown()
        server.server_close()
