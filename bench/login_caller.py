"""A program that has to log in: `login_caller.py LIBRARY CONFIG.json`.

For each line on stdin it logs in once, and says what that took, in wall and CPU seconds. The
first time the imports are part of it. Every library is used as its documentation says.
"""

from __future__ import annotations

import json
import socket
import sys
import time

CONFIG: dict[str, str] = {}


def browse(url: str) -> None:
    """What stands for a browser: the person gets the address."""
    with socket.create_connection(("127.0.0.1", int(CONFIG["person"]))) as person:
        person.sendall(url.encode() + b"\n")


def save(token) -> None:
    """What the documentation of the others does with a token: a file, in clear."""
    with open(CONFIG["token_file"], "w", encoding="utf-8") as file:
        file.write(token if isinstance(token, str) else json.dumps(token))


class Bare:
    """The protocol and nothing else: no check, no store, one connection for both requests."""

    def login(self) -> None:
        import base64
        import hashlib
        import http.client
        import secrets
        from urllib.parse import urlencode, urlsplit

        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            app = {
                "client_id": "demo",
                "redirect_uri": f"http://127.0.0.1:{listener.getsockname()[1]}/callback",
            }
            query = {
                **app, "response_type": "code", "scope": "read", "state": secrets.token_urlsafe(32),
                "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
                "code_challenge_method": "S256",
            }  # fmt: skip
            browse(f"{CONFIG['issuer']}/authorize?{urlencode(query)}")
            browser, answer = redirected(listener)
        form = {
            **app, "grant_type": "authorization_code", "code": answer["code"],
            "code_verifier": verifier,
        }  # fmt: skip
        server = http.client.HTTPConnection(urlsplit(CONFIG["issuer"]).netloc)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        server.request("POST", "/token", urlencode(form), kind)
        token = json.loads(server.getresponse().read())
        done(browser)
        server.request("GET", "/api/me", None, {"Authorization": f"Bearer {token['access_token']}"})
        reply = server.getresponse()
        reply.read()
        assert reply.status == 200
        server.close()


def redirected(listener: socket.socket) -> tuple[socket.socket, dict[str, str]]:
    """The browser that came back, and what it brought."""
    from urllib.parse import parse_qsl, urlsplit

    browser, _ = listener.accept()
    heard = b""
    while b"\r\n\r\n" not in heard:
        heard += browser.recv(65536)
    return browser, dict(parse_qsl(urlsplit(heard.split()[1].decode()).query))


def done(browser: socket.socket) -> None:
    page = b"You can close this tab."
    browser.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(page), page))
    browser.close()


class Arcrun:
    def login(self) -> None:
        from arcrun_auth.broker import Broker
        from arcrun_auth.testing.somebody import Somebody

        broker = Broker(person=Somebody(), open_url=browse)
        assert broker.setup("demo").connected
        broker.close()


class Google:
    def login(self) -> None:
        import webbrowser

        from google_auth_oauthlib.flow import InstalledAppFlow

        class Opener(webbrowser.BaseBrowser):
            def open(self, url, new=0, autoraise=True):  # noqa: ARG002 - as it is called
                browse(url)
                return True

        webbrowser.register("bench", None, Opener())
        config = {
            "client_id": CONFIG["google"],
            "client_secret": CONFIG["client_secret"],
            "auth_uri": f"{CONFIG['issuer']}/authorize",
            "token_uri": f"{CONFIG['issuer']}/token",
        }
        flow = InstalledAppFlow.from_client_config({"installed": config}, ["read"])
        credentials = flow.run_local_server(
            host="127.0.0.1", port=0, browser="bench", authorization_prompt_message=None
        )
        save(credentials.to_json())
        reply = flow.authorized_session().get(f"{CONFIG['issuer']}/api/me", timeout=60)
        assert reply.status_code == 200


class Authlib:
    """It leaves the listening to whoever uses it: the bare one."""

    def login(self) -> None:
        import contextlib
        import io
        import secrets

        with contextlib.redirect_stderr(io.StringIO()):  # it calls httpx deprecated
            from authlib.integrations.httpx_client import OAuth2Client

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            client = OAuth2Client(
                "demo", token_endpoint_auth_method="none", scope="read",
                redirect_uri=f"http://127.0.0.1:{port}/callback", code_challenge_method="S256",
            )  # fmt: skip
            verifier = secrets.token_urlsafe(48)
            url, state = client.create_authorization_url(
                f"{CONFIG['issuer']}/authorize", code_verifier=verifier
            )
            browse(url)
            browser, answer = redirected(listener)
        assert answer["state"] == state
        with client:
            save(
                client.fetch_token(
                    f"{CONFIG['issuer']}/token", code=answer["code"], code_verifier=verifier
                )
            )
            done(browser)
            assert client.get(f"{CONFIG['issuer']}/api/me").status_code == 200


LIBRARIES = {
    "arcrun": Arcrun,
    "bare protocol": Bare,
    "google-auth-oauthlib": Google,
    "authlib, bare listener": Authlib,
}


def main(library: str, config: str) -> None:
    with open(config, encoding="utf-8") as file:
        CONFIG.update(json.load(file))
    it = LIBRARIES[library]()
    for _ in sys.stdin:
        started = time.perf_counter(), time.process_time()
        it.login()
        took = time.perf_counter() - started[0], time.process_time() - started[1]
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
