"""npm's oidc-provider, run as it is, and a person of a few lines who uses its pages."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import subprocess
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from pathlib import Path
from tempfile import gettempdir
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import (
    HTTPCookieProcessor,
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
)

import msgspec
from filelock import FileLock

from arcrun_auth.recipe import OAuth2
from tests.needs import needs

FOLDER = Path(__file__).parent / "oidc"
SECRET = "a&b=c+d%e:f"
LOGIN = {"login": "ada", "password": "x"}
HANG = 60.0


class OidcProvider:
    """The server as a child process, in a `with` statement."""

    def __enter__(self):
        self._install()
        self._process = subprocess.Popen(
            [shutil.which("node"), "server.js"],
            cwd=FOLDER,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.issuer = self._process.stdout.readline().strip()
        assert self.issuer.startswith("http://127.0.0.1:")
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(HANG)

    @staticmethod
    def _install():
        """`npm ci`, once for each state of the lock file."""
        npm = shutil.which("npm")
        needs(npm and shutil.which("node"), "node and npm (for oidc-provider)")
        digest = hashlib.sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
        done = FOLDER / "node_modules" / f".installed-{digest[:16]}"
        with FileLock(Path(gettempdir()) / "arcrun-auth-tests-npm.lock"):
            if not done.exists():
                run = subprocess.run(
                    [npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
                    cwd=FOLDER,
                    capture_output=True,
                    timeout=300,
                )
                needs(run.returncode == 0, "the npm registry (for oidc-provider)")
                done.touch()

    def oauth2(self, auth="none", **changes):
        """The recipe's part about this server."""
        fields = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            # offline_access is given only with the prompt for consent: OIDC Core §11.
            "authorize_params": {"prompt": "consent"},
            "scopes": ("openid", "offline_access"),
            "client": {"auth": auth},
        }
        return msgspec.convert(fields | changes, OAuth2)

    def register(self, **fields):
        """A client for one test (RFC 7591): its metadata, `client_id` and perhaps a secret."""
        native = {
            "application_type": "native",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
        }
        return self.json("/reg", native | fields)

    def asked(self, path):
        """When `path` was asked for, in seconds of the server's own clock."""
        return [at for each, at in self.json("/asked") if each == path]

    def json(self, path, data=None, **headers):
        """The answer of one of its endpoints to JSON, or to a form (bytes), that is sent there."""
        body = json.dumps(data).encode() if isinstance(data, dict) else data
        kind = {"content-type": "application/json"} if isinstance(data, dict) else {}
        request = Request(self.issuer + path, body, kind | headers)
        with build_opener(ProxyHandler({})).open(request, timeout=HANG) as answer:
            return json.load(answer)


class Person:
    """Logs in and consents, or cancels, on the pages of oidc-provider."""

    def __init__(self, *, allow=True):
        self.allow = allow
        self._opener = build_opener(
            ProxyHandler({}), HTTPCookieProcessor(CookieJar()), _NoRedirect()
        )

    def __call__(self, url):
        """The whole way, the redirect to the waiting login included: the page it ends on."""
        target = self.redirected(url)
        try:
            with self._opener.open(target, timeout=HANG) as page:
                return page.read().decode()
        except HTTPError as page:
            with page:
                return page.read().decode()

    def type_code(self, url, code):
        """Enter a device's code at `url` and decide: the text of the page it ends on."""
        url, page = self._visit(url)
        url, page = self._visit(urljoin(url, page.action), page.fields | {"user_code": code})
        if not self.allow:
            return self._visit(urljoin(url, page.action), page.fields | {"abort": "yes"})[1].text
        while page.action:
            url, page = self._visit(urljoin(url, page.action), page.fields | LOGIN)
        return page.text

    def _visit(self, url, form=None):
        """Where a page is in the end, and the page."""
        body = None if form is None else urlencode(form).encode()
        while True:
            with self._opener.open(url, body, timeout=HANG) as answer:
                location = answer.headers["Location"]
                if not location:
                    return url, _Page(answer.read().decode())
            url, body = urljoin(url, location), None

    def redirected(self, url):
        """Where the provider sends the browser in the end."""
        issuer = urlsplit(url).netloc
        while urlsplit(url).netloc == issuer:
            url = self._step(url)
        return url

    def _step(self, url, form=None):
        body = None if form is None else urlencode(form).encode()
        with self._opener.open(url, body, timeout=HANG) as answer:
            location = answer.headers["Location"]
            if location:
                return urljoin(url, location)
            page = _Page(answer.read().decode())
        if not self.allow:
            return urljoin(url, page.abort)
        return self._step(urljoin(url, page.action), page.fields | LOGIN)


class _NoRedirect(HTTPRedirectHandler):
    def http_error_302(self, req, fp, code, msg, headers):
        return fp

    http_error_303 = http_error_302


class _Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.text, self.action, self.abort, self.fields = text, "", "", {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag == "form":
            self.action = found["action"]
        elif tag == "input" and found.get("type") == "hidden":
            self.fields[found["name"]] = found["value"]
        elif tag == "a" and found.get("href", "").endswith("/abort"):
            self.abort = found["href"]


class _Answer:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()


def send(call):
    """The token client, by the smallest means."""
    url = urlsplit(call.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=HANG)
    try:
        connection.request(call.method, url.path, call.content, dict(call.headers))
        return _Answer(connection.getresponse())
    finally:
        connection.close()
