"""A provider and a person with a browser, in a process of their own: `python login_desk.py`.

Prints a line of JSON that says where they are. Whoever connects to the person and sends an
address has it walked through: the page of the provider, the consent, the redirect. For each
line on stdin the provider says how many requests it has had, by path.
"""

from __future__ import annotations

import http.client
import json
import re
import secrets
import socket
import sys
import threading
from urllib.parse import urlencode, urlsplit

from arcrun_auth.testing import Provider

TICKET = re.compile(r'name="ticket" value="([^"]+)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)

GOOGLE = "demo-google"
"""The app whose redirect URI has the path that google-auth-oauthlib listens at."""


class Person:
    """Allows everything. The last page stays open, and its connection with it, until the
    next address comes: no login may count on a browser that hangs up."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.last: socket.socket | None = None

    def run(self) -> None:
        while True:
            asked, _ = self.listener.accept()
            with asked, asked.makefile(encoding="ascii") as lines:
                url = lines.readline().strip()
            if self.last is not None:
                self.last.close()
            self.last = open_page(allowed(url))


def allowed(url: str) -> str:
    """Where the provider sends the browser of somebody who agrees."""
    at = urlsplit(url)
    pages = http.client.HTTPConnection(at.netloc)
    pages.request("GET", f"{at.path}?{at.query}")
    ticket = TICKET.search(pages.getresponse().read().decode())
    assert ticket is not None
    form = urlencode({"ticket": ticket[1], "user": "ada", "decision": "allow"})
    pages.request("POST", "/consent", form, {"Content-Type": "application/x-www-form-urlencoded"})
    answer = pages.getresponse()
    answer.read()
    pages.close()
    return str(answer.headers["Location"])


def open_page(url: str) -> socket.socket:
    """The connection over which the whole of a page has come."""
    at = urlsplit(url)
    sock = socket.create_connection((at.hostname, at.port))
    sock.sendall(f"GET {at.path}?{at.query} HTTP/1.1\r\nHost: {at.netloc}\r\n\r\n".encode())
    heard = b""
    while chunk := sock.recv(65536):
        heard += chunk
        head, blank_line, body = heard.partition(b"\r\n\r\n")
        length = LENGTH.search(head) if blank_line else None
        if length is not None and len(body) >= int(length[1]):
            break
    return sock


def main() -> None:
    with Provider() as provider:
        person = Person()
        # requests-oauthlib sends it as it is, where RFC 6749 §2.3.1 wants it encoded.
        provider.client_secret = secrets.token_hex(16)
        provider.register(GOOGLE, auth="basic", redirect_uris=("http://127.0.0.1/",))
        threading.Thread(target=person.run, daemon=True).start()
        where = {
            "issuer": provider.issuer,
            "person": person.listener.getsockname()[1],
            "client_secret": provider.client_secret,
            "recipe": provider.recipe_yaml(),
        }
        print(json.dumps(where), flush=True)
        for _ in sys.stdin:
            print(json.dumps(provider.requests), flush=True)


if __name__ == "__main__":
    main()
