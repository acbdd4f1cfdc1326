"""What is published of the routes is what they do."""

from __future__ import annotations

import re
from typing import Any

import jsonschema
import pytest
from jsonschema import Draft202012Validator

from arcrun_auth.server import browsing
from arcrun_auth.server.openapi import document
from arcrun_auth.server.routes import ROUTES, Reply, Route
from tests.platform_desk import IV, cipher

SYNC = {"name": "s_1", "encrypted": cipher(), "iv": IV}
TOKEN = {**SYNC, "name": "token", "service": "x"}
RECIPE = {"service": "weather", "primitive": "static_key", "base_url": "https://x.test"}


class Checked:
    """Asks the application, and holds each answer against the document."""

    def __init__(self, web) -> None:
        self.web = web
        self.document = web("GET", "/openapi.json").json()
        self.seen: set[tuple[str, str, int]] = set()

    def __call__(self, method: str, path: str, body: Any = None, *, at: str = "", **more: Any):
        answer = self.web(method, path, body, key="anna", **more)
        template = at or path.partition("?")[0]
        operation = self.document["paths"][template][method.lower()]
        status = str(answer.status_code)
        told = operation["responses"].get(status) or operation["responses"]["default"]
        self.seen.add((method, template, answer.status_code))
        if body is not None and answer.status_code < 300:
            kinds = operation["requestBody"]["content"]
            self._check(body, kinds["application/json"]["schema"])
        kind = answer.headers.get("content-type", "")
        if "content" not in told:
            assert answer.content == b""
        elif kind.startswith("text/html"):
            assert kind.partition(";")[0] in told["content"]
        else:
            self._check(answer.json(), told["content"][kind]["schema"])
            return answer.json()
        return None

    def _check(self, value: Any, schema: dict[str, Any]) -> None:
        whole = {**schema, "components": self.document["components"]}
        jsonschema.validate(value, whole, Draft202012Validator)


def test_every_route_answers_as_the_document_says(web) -> None:
    web.database.database.write(lambda tx: tx.run("UPDATE accounts SET role = 'admin'"))
    ask = Checked(web)
    ask("GET", "/")
    ask("GET", "/health")
    ask("GET", "/readyz")
    ask("GET", "/openapi.json")
    ask("POST", "/register", {"email": "new@example.com", "display_name": "New"})
    ask("GET", "/me")
    made = ask("POST", "/me/keys", {"kind": "ci", "label": "x", "rows": ["s_1"], "expires_in": 9})
    ask("GET", "/me/keys")
    ask("DELETE", f"/me/keys/{made['id']}", at="/me/keys/{id}")
    vault = {"label": "x", "rows": ["s_1"], "issuer": "https://id.test", "subject": "repo:a/b:*"}
    made = ask("POST", "/me/ci", vault)
    ask("GET", "/me/ci")
    ask("DELETE", f"/me/ci/{made['id']}", at="/me/ci/{id}")
    for row in (SYNC, TOKEN, SYNC):
        ask("POST", "/credentials", row)
    batch = {"rows": [{"name": "s_1", "deleted": True, "expect": 3}, {**SYNC, "name": "s_2"}]}
    ask("POST", "/credentials/batch", batch)
    assert ask("POST", "/credentials/batch", batch)["conflicts"]
    ask("GET", "/credentials")
    ask("GET", "/credentials?since=0")
    got = ask("GET", "/credentials/token", at="/credentials/{name}")
    etag = {"if-none-match": f'"{got["version"]}"'}
    ask("GET", "/credentials/token", at="/credentials/{name}", headers=etag)
    ask("DELETE", "/credentials/token", at="/credentials/{name}")
    lease = ask("POST", "/leases", {"name": "l", "ttl_s": 60, "holder": "x"})["lease"]
    ask("POST", "/leases", {"name": "l", "ttl_s": 60, "holder": "y"})
    ask("PUT", "/leases/l", {"lease": lease, "ttl_s": 9.5}, at="/leases/{name}")
    ask("DELETE", "/leases/l", {"lease": lease}, at="/leases/{name}")
    one = ask("POST", "/devices/enrolments", {"body": {"any": ["thing"]}})["id"]
    at = "/devices/enrolments/{id}"
    ask("GET", "/devices/enrolments")
    ask("POST", f"/devices/enrolments/{one}", {"from": "old", "body": "text"}, at=at)
    ask("GET", f"/devices/enrolments/{one}", at=at)
    ask("DELETE", f"/devices/enrolments/{one}", at=at)
    for _ in range(2):
        ask("POST", "/auth-recipes", RECIPE)
    ask("GET", "/auth-recipes")
    mark = web("GET", "/auth-recipes").headers["etag"]
    ask("GET", "/auth-recipes", headers={"if-none-match": mark})
    ask("GET", "/auth-recipes/weather", at="/auth-recipes/{service}")
    ask("DELETE", "/auth-recipes/weather", at="/auth-recipes/{service}")
    ask("GET", "/audit?since=0")
    link = "/first/0123"
    ask("GET", link, at="/first/{invite}")
    web("POST", link, data={"": ""})
    ask("PUT", "/me/api-key/rotate")
    web.keys["anna"] = _newest(web)
    ask("DELETE", "/me/api-key")
    web.register("anna")
    ask("DELETE", "/me")

    published = {
        (method.upper(), path, int(status))
        for path, methods in ask.document["paths"].items()
        for method, operation in methods.items()
        for status in operation["responses"]
        if status != "default"
    }
    # Logins are driven where they are tested; what they answer is made of what is published.
    logins = {(each.method, each.path, 200) for each in browsing.ROUTES}
    assert published - ask.seen == {("POST", "/first/{invite}", 200), *logins}


def _newest(web) -> str:
    """Whoever rotates a key in a test goes on with a new account."""
    web.register("next")
    return web.keys["next"]


def test_the_document_is_one_that_openapi_knows(web) -> None:
    found = web("GET", "/openapi.json").json()
    assert found["openapi"].startswith("3.1")
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"].endswith("."), (method, path)
            named = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))
    for schema in found["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_route_says_in_one_line_what_it_does() -> None:
    for route in ROUTES:
        assert route.says.endswith("."), route.path
        assert route.answers, route.path


@pytest.mark.parametrize("keys", [(), ("account",)])
def test_a_route_for_anybody_asks_for_no_key(keys) -> None:
    def work(tx, call) -> Reply:
        """Does it."""
        raise AssertionError

    route = Route("POST", "/x", work, {200: bytes}, keys=keys, form=True, bearer=bool(keys))
    operation = document([route])["paths"]["/x"]["post"]
    assert ("security" in operation) is bool(keys)
    assert list(operation["requestBody"]["content"]) == ["application/x-www-form-urlencoded"]
