"""The application over HTTP: who may do what, what goes wrong, and what is never told."""

from __future__ import annotations

import json
import logging
import re

from arcrun_auth.server import first, logs
from arcrun_auth.server.config import Config, Limits
from arcrun_auth.server.limits import Buckets
from arcrun_auth.server.problems import Problem
from arcrun_auth.server.routes import ROUTES, Call, Reply, Route
from arcrun_auth.server.web import Server
from tests.platform_desk import FREE, IV, cipher
from tests.unit.server.conftest import Web

ROW = {"name": "s_1", "encrypted": cipher(), "iv": IV}
NOBODY = "ak_" + "0" * 48
FITTING = {
    **ROW, "rows": [], "kind": "device", "label": "x", "lease": "x", "ttl_s": 1, "holder": "x",
    "body": 1, "from": "new",
}  # fmt: skip
"""A body that has the shape that any route wants."""


def test_every_answer_says_which_protocol_it_is_and_is_kept_by_no_cache(web) -> None:
    for answer in (
        web("GET", "/health"),
        web("GET", "/me"),
        web("GET", "/nowhere"),
        web("PATCH", "/me"),
        web("POST", "/credentials", ROW, key="anna"),
        web("GET", "/credentials/s_1", key="anna"),
        web("GET", "/openapi.json"),
    ):
        assert answer.headers["arcrun-protocol"] == "1"
        assert answer.headers["cache-control"] == "no-store"


def test_a_problem_is_told_as_rfc_9457_says_and_as_older_clients_read_it(web) -> None:
    answer = web("GET", "/me")
    assert (answer.status_code, answer.headers["content-type"]) == (
        401, "application/problem+json",
    )  # fmt: skip
    told = answer.json()
    assert told["status"] == 401
    assert told["title"] == "No valid API key"
    assert (told["error"], told["success"]) == (told["detail"], False)
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert web("PATCH", "/me").headers["allow"] == "GET, DELETE, HEAD"
    assert web("GET", "/a/b/c/d").status_code == 404
    assert web("GET", "/credentials/").status_code == 404
    assert web("HEAD", "/health").status_code == 200


def test_who_opens_the_address_in_a_browser_is_told_what_to_type(web) -> None:
    answer = web("GET", "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "arcrun login --server" in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_every_route_wants_a_key_but_those_that_are_for_anybody(web) -> None:
    free = {
        ("POST", "/register"), ("GET", "/health"), ("GET", "/readyz"),
        ("GET", "/auth-recipes"), ("GET", "/auth-recipes/{service}"),
    }  # fmt: skip
    for route in ROUTES:
        path = re.sub(r"\{\w+\}", "x1", route.path)
        body = {} if route.takes is not None else None
        for key in ("", NOBODY, "x" * 300):
            answer = web(route.method, path, body, key=key)
            known = (route.method, route.path) in free
            assert known != (answer.status_code == 401), (route.method, path, answer.text)


def test_a_key_for_ci_may_fetch_its_rows_and_nothing_else(web) -> None:
    made = web("POST", "/me/keys", {"kind": "ci", "label": "ci", "rows": ["s_1"]}, key="anna")
    ci = made.json()["api_key"]
    web("POST", "/credentials", ROW, key="anna")
    assert web("GET", "/credentials/s_1", key=ci).json()["encrypted"] == ROW["encrypted"]
    assert len(web("GET", "/credentials?since=0", key=ci).json()["credentials"]) == 1
    for route in ROUTES:
        if route.keys:
            body = FITTING if route.takes is not None else None
            path = re.sub(r"\{\w+\}", "s_2", route.path)
            answer = web(route.method, path, body, key=ci)
            assert answer.status_code == 403, (route.method, path, answer.text)


def test_two_accounts_never_see_or_touch_each_others_things(web) -> None:
    """The same names in both: whatever one does, the other's stay as they are."""
    for who in ("anna", "bob"):
        for name in ("s_1", "token"):
            row = {"name": name, "encrypted": cipher(who), "iv": IV}
            assert web("POST", "/credentials", row, key=who).status_code == 201
    lease = {"name": "l", "ttl_s": 60, "holder": "x"}
    annas = web("POST", "/leases", lease, key="anna").json()
    assert web("POST", "/leases", lease, key="bob").status_code == 201
    enrolment = web("POST", "/devices/enrolments", {"body": "hi"}, key="anna").json()["id"]
    key = web("POST", "/me/keys", {"kind": "device", "label": "x"}, key="anna").json()["id"]

    def of_anna() -> list[object]:
        paths = ("/me", "/me/keys", "/credentials", "/credentials?since=0", "/credentials/s_1",
                 "/credentials/token", "/devices/enrolments", "/audit",
                 f"/devices/enrolments/{enrolment}")  # fmt: skip
        return [web("GET", path, key="anna").json() for path in paths]

    of_anna()
    before = of_anna()
    attempts = [
        ("POST", "/credentials", {**ROW, "encrypted": cipher("bob2")}, 200),
        ("POST", "/credentials/batch", {"rows": [{"name": "s_1", "deleted": True}]}, 200),
        ("GET", "/credentials/s_1", None, 404),
        ("DELETE", "/credentials/token", None, 200),
        ("PUT", "/leases/l", {"lease": annas["lease"], "ttl_s": 9}, 409),
        ("DELETE", "/leases/l", {"lease": annas["lease"]}, 409),
        ("GET", f"/devices/enrolments/{enrolment}", None, 404),
        ("POST", f"/devices/enrolments/{enrolment}", {"from": "old", "body": 1}, 404),
        ("DELETE", f"/devices/enrolments/{enrolment}", None, 404),
        ("DELETE", f"/me/keys/{key}", None, 404),
        ("GET", "/devices/enrolments", None, 200),
        ("GET", "/audit", None, 200),
        ("GET", "/me/keys", None, 200),
        ("PUT", "/me/api-key/rotate", None, 200),
    ]
    for method, path, body, status in attempts:
        answer = web(method, path, body, key="bob")
        assert answer.status_code == status, (method, path, answer.text)
        assert "anna" not in answer.text
        for secret in (enrolment, key, cipher("anna"), annas["lease"]):
            assert secret not in answer.text, (method, path)
        if path == "/me/api-key/rotate":
            web.keys["bob"] = answer.json()["api_key"]
    assert web("DELETE", "/me", key="bob").status_code == 200
    assert of_anna() == before
    assert web("GET", "/me", key="bob").status_code == 401


def test_the_key_may_come_as_a_bearer_token_about_oneself_alone(web) -> None:
    headers = {"authorization": f"Bearer {web.keys['anna']}"}
    assert web("GET", "/me", headers=headers).status_code == 200
    assert web("GET", "/credentials", headers=headers).status_code == 401
    assert web("GET", "/me", headers={"authorization": "Basic x"}).status_code == 401


def test_rows_have_etags_and_heed_preconditions(web) -> None:
    post = lambda **headers: web(  # noqa: E731
        "POST", "/credentials", ROW, key="anna",
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )  # fmt: skip
    assert (post(if_none_match="*").status_code, post(if_none_match="*").status_code) == (201, 412)
    again = post(if_match='"1"')
    assert (again.status_code, again.headers["etag"], again.json()["version"]) == (200, '"2"', 2)
    refused = post(if_match='"1"')
    assert refused.status_code == 412
    assert refused.json()["conflicts"] == [{"name": "s_1", "version": 2}]
    for wrong in ({"if_match": "x"}, {"if_match": "*"}, {"if_none_match": '"1"'}):
        assert post(**wrong).status_code == 400
    got = web("GET", "/credentials/s_1", key="anna")
    assert got.headers["etag"] == '"2"'
    same = web("GET", "/credentials/s_1", key="anna", headers={"if-none-match": '"2"'})
    assert (same.status_code, same.content) == (304, b"")
    gone = web("DELETE", "/credentials/s_1", key="anna", headers={"if-match": '"1"'})
    assert gone.status_code == 412
    gone = web("DELETE", "/credentials/s_1", key="anna", headers={"if-match": '"2"'})
    assert gone.json() == {"success": True, "name": "s_1", "source": "server"}
    assert web("DELETE", "/credentials/s_1", key="anna").status_code == 404


def test_a_query_that_makes_no_sense_is_refused(web) -> None:
    for query in ("since=x", "since=-1", "since=1.5", "limit=0", "limit=501", "limit=²",
                  "since=" + "9" * 25):  # fmt: skip
        assert web("GET", f"/credentials?{query}", key="anna").status_code == 400, query
    assert web("GET", "/credentials?" + "&" * 60, key="anna").status_code == 200
    assert web("GET", "/credentials?" + "x=1&" * 60, key="anna").status_code == 200


NONSENSE = [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"name": 1}',
    b'{"name": "a b", "encrypted": "", "iv": ""}',
    b'{"name": "x", "encrypted": "####", "iv": "AAAAAAAAAAAAAAAA"}',
    b'{"name": "x", "encrypted": "AAAAAAAAAAAAAAAAAAAAAAAA", "iv": "short"}',
    b'{"name": "' + b"x" * 129 + b'", "encrypted": "AAAAAAAAAAAAAAAAAAAAAAAA", "iv": "x"}',
    b'{"name": "\\ud800", "encrypted": "x", "iv": "x"}',
]  # fmt: skip


def test_a_body_that_makes_no_sense_is_refused_and_not_repeated(web) -> None:
    kind = {"content-type": "application/json"}
    for body in NONSENSE:
        answer = web("POST", "/credentials", key="anna", content=body, headers=kind)
        assert answer.status_code == 400, (body, answer.text)
        assert "####" not in answer.text
    wrong = {"kind": "tests_canary", "label": "x"}
    answer = web("POST", "/me/keys", wrong, key="anna")
    assert answer.json()["detail"] == "The request is not valid: Invalid value - at `$.kind`."


def test_a_client_that_goes_away_amid_its_request_is_let_go(web) -> None:
    said: list[object] = []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message) -> None:
        said.append(message)

    key = web.keys["anna"].encode()
    scope = {
        "type": "http", "method": "POST", "path": "/credentials", "query_string": b"",
        "headers": [(b"x-arcrun-api-key", key), (b"content-type", b"application/json")],
    }  # fmt: skip
    web.runner.run(web.app(scope, receive, send))
    assert said == []


async def _who(database, call: Call) -> Reply:
    """Says who called, and what the form said."""
    del database
    return Reply({"account": call.who.account, "form": call.body}, cookies=("a=1", "b=2"))


def test_a_route_may_do_its_own_transactions_and_take_a_form(web) -> None:
    route = Route("POST", "/who", answers={200: dict}, own=_who, keys=("account",), form=True)
    web.client._transport.app = Server(web.database, web.config, [route])
    answer = web("POST", "/who", key="anna", data={"name": "é&=", "empty": ""})
    assert answer.json()["form"] == {"name": "é&=", "empty": ""}
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert web("POST", "/who", data={}).status_code == 401
    assert web("POST", "/who", {}, key="anna").status_code == 415
    kind = {"content-type": "application/x-www-form-urlencoded"}
    for wrong in (b"\xff", b"x=1&" * 60):
        answer = web("POST", "/who", key="anna", content=wrong, headers=kind)
        assert answer.status_code == 400


def test_a_form_of_another_site_is_no_request(web) -> None:
    """A browser sends these types across sites without asking: none of them is taken for JSON."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = web("POST", "/register", content=b"{}", headers={"content-type": kind})
        assert answer.status_code == 415
    answer = web("POST", "/register", content=b"{}", headers={"content-type": "Application/JSON;x"})
    assert answer.status_code == 201


def test_a_body_has_an_end(database) -> None:
    small = Web(database, Config(registration="open", limits=Limits(body=100)))
    try:
        said = {"content-type": "application/json"}
        large = b'{"display_name": "' + b"x" * 200 + b'"}'
        assert small("POST", "/register", content=large, headers=said).status_code == 413

        async def drip():
            for _ in range(30):
                yield b" " * 10

        assert small("POST", "/register", content=drip(), headers=said).status_code == 413
    finally:
        small.close()


def test_whoever_asks_too_often_is_told_when_to_come_back(database) -> None:
    limits = Limits(key_rate=0.001, key_burst=3, address_rate=0.001, address_burst=4)
    web = Web(database, Config(registration="open", limits=limits))
    try:
        web.register("anna")
        codes = [web("GET", "/me", key="anna").status_code for _ in range(5)]
        assert codes == [200, 200, 200, 429, 429]
        slow = web("GET", "/me", key="anna")
        assert 1 <= int(slow.headers["retry-after"]) <= 1001
        assert slow.json()["retry_after"] == int(slow.headers["retry-after"])
        unknown = [web("GET", "/me", key=f"ak_{n:048x}").status_code for n in range(6)]
        assert unknown == [401, 401, 401, 429, 429, 429]
        assert web("POST", "/register", {}).status_code == 429
        web.app.by_key = Buckets(0, 0)
        assert web("GET", "/me", key="anna").status_code == 200, "a valid key is not slowed down"
        assert web("GET", "/health").status_code == 200, "what asks whether it runs is not counted"
    finally:
        web.close()


def test_an_error_of_ours_says_nothing_and_is_logged_without_what_was_sent(
    database, caplog
) -> None:
    secret = "tests.canary.BROKEN"

    def broken(tx, call: Call) -> Reply:
        """Fails."""
        raise RuntimeError(secret + call.body["x"])

    route = Route("POST", "/broken/{x}", broken, {200: dict}, takes=dict)
    web = Web(database, Config())
    try:
        web.app = Server(database, Config(limits=FREE), [route])
        web.client._transport.app = web.app
        with caplog.at_level(logging.INFO, "arcrun_auth.server"):
            answer = web("POST", f"/broken/{secret}", {"x": secret})
        assert answer.status_code == 500
        assert "canary" not in answer.text
        lines = [json.loads(logs.Lines().format(record)) for record in caplog.records]
        failed = next(line for line in lines if line["event"] == "failed")
        assert (failed["error"], failed["route"]) == ("RuntimeError", "/broken/{x}")
        assert any("broken" in frame for frame in failed["frames"])
    finally:
        web.close()


def test_the_log_names_routes_and_keys_by_their_ids(web, caplog) -> None:
    with caplog.at_level(logging.INFO, "arcrun_auth.server"):
        web("POST", "/credentials", {**ROW, "name": "tests_canary"}, key="anna")
        web("GET", "/credentials/tests_canary", key="anna")
    ours = [record for record in caplog.records if record.name == "arcrun_auth.server"]
    text = "\n".join(logs.Lines().format(record) for record in ours)
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("POST", "/credentials", 201), ("GET", "/credentials/{name}", 200),
    ]  # fmt: skip
    assert lines[0]["key"].startswith("key_")
    assert lines[0]["from"] == "192.0.2.1"
    for told in (web.keys["anna"], "tests_canary", ROW["encrypted"]):
        assert told not in text


def test_the_use_of_keys_and_rows_is_noted_after_the_answer(web) -> None:
    web("POST", "/credentials", {**ROW, "name": "token"}, key="anna")
    (row,) = web("GET", "/credentials", key="anna").json()["credentials"]
    assert row["last_used_at"] is None
    web("GET", "/credentials/token", key="anna")
    (row,) = web("GET", "/credentials", key="anna").json()["credentials"]
    assert row["last_used_at"] == "2027-01-15T08:00:00Z"
    (key,) = web("GET", "/me/keys", key="anna").json()["keys"]
    assert key["last_used_at"] == "2027-01-15T08:00:00Z"


def test_what_cannot_be_noted_afterwards_spoils_no_answer(database, caplog) -> None:
    def work(tx, call: Call) -> Reply:
        """Answers."""
        del tx, call

        def later(tx):
            raise Problem(507, "full")

        return Reply({"ok": True}, later=later)

    web = Web(database, Config())
    try:
        web.client._transport.app = Server(
            database, Config(), [Route("GET", "/x", work, {200: dict})]
        )
        assert web("GET", "/x").json() == {"ok": True}
        assert "failed" in caplog.text
    finally:
        web.close()


def test_a_server_is_ready_when_its_database_is(web, monkeypatch) -> None:
    assert web("GET", "/readyz").json() == {"ok": True}

    async def away(work):
        raise Problem(503, "away")

    monkeypatch.setattr(web.database, "reading", away)
    assert web("GET", "/readyz").status_code == 503
    assert web("GET", "/health").status_code == 200


def test_recipes_are_for_everybody_to_read_and_for_few_to_write(web) -> None:
    recipe = {"service": "weather", "primitive": "static_key", "base_url": "https://x.test", "y": 1}
    assert web("POST", "/auth-recipes", recipe, key="anna").status_code == 403
    web.database.database.write(lambda tx: tx.run("UPDATE accounts SET role = 'recipes'"))
    assert web("POST", "/auth-recipes", recipe, key="anna").status_code == 201
    assert web("GET", "/auth-recipes").json() == {"success": True, "recipes": [recipe], "count": 1}
    assert web("GET", "/auth-recipes/weather").json()["recipe"] == recipe
    assert web("GET", "/auth-recipes/Weather").status_code == 404
    actions = [e["action"] for e in web("GET", "/audit?since=1", key="anna").json()["entries"]]
    assert actions == ["recipe.publish"]
    assert web("DELETE", "/auth-recipes/weather", key="anna").json()["service"] == "weather"


# --- the first page


def test_the_first_link_makes_the_admin_once_and_only_by_its_button(database) -> None:
    from arcrun_auth.server import accounts

    web = Web(database, Config(url="https://server.test"))
    try:
        path = first.PATH.replace("{invite}", database.write(accounts.first_invite))
        page = web("GET", path)
        assert "Make the admin account" in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "form-action 'self'" in page.headers["content-security-policy"]
        assert "<script" not in page.text
        assert web("GET", path).status_code == 200, "to look at it uses nothing up"
        made = web("POST", path, data={"": ""})
        key = re.search(r"ak_[0-9a-f]{48}", made.text)
        assert key is not None
        assert "arcrun login --server https://server.test" in made.text
        assert web("GET", "/me", key=key[0]).json()["role"] == "admin"
        again = web("POST", path, data={"": ""})
        assert (again.status_code, "No account was made" in again.text) == (403, True)
        assert web("POST", "/register", {}).status_code == 403
    finally:
        web.close()


# -- what no database, or not every one, can hold -------------------------------------------


def test_a_character_that_a_database_cannot_hold_is_no_fault_of_the_server(web, caplog) -> None:
    """PostgreSQL keeps no NUL (its manual, §8.3), and SQLite does."""
    made = web("POST", "/devices/enrolments", {"body": "x"}, key="anna").json()["id"]
    asked = [
        ("POST", "/register", {"display_name": "a\0b"}),
        ("POST", "/register", {"email": "a\0b@example.com"}),
        ("POST", "/me/keys", {"kind": "device", "label": "a\0b"}),
        ("POST", "/leases", {"name": "x", "ttl_s": 9, "holder": "a\0b"}),
        ("PUT", "/leases/x%00", {"lease": "a\0b", "ttl_s": 9}),
        ("DELETE", "/leases/x", {"lease": "a\0b"}),
        ("POST", "/me/ci", {"label": "a\0b", "rows": ["x"], "issuer": "https://i.example.com",
                            "subject": "repo:a\0b"}),
        ("POST", "/auth/ci", {"vault": "a\0b", "token": "x"}),
        ("POST", "/credentials", {"name": "x", "encrypted": cipher(), "iv": IV, "service": "\0"}),
        ("GET", "/credentials?after=%00", None),
        ("GET", "/credentials/%00", None),
        ("DELETE", "/credentials/%00", None),
        ("DELETE", "/me/keys/%00", None),
        ("DELETE", "/me/ci/%00", None),
        ("GET", "/devices/enrolments/%00", None),
        ("DELETE", "/devices/enrolments/%00", None),
        ("POST", f"/devices/enrolments/{made}", {"from": "old", "body": "a\0b"}),
        ("GET", "/auth-recipes/%00", None),
        ("GET", "/device?user_code=%00", None),
        ("GET", "/first/%00", None),
    ]  # fmt: skip
    for method, path, body in asked:
        more = {"content": json.dumps(body), "headers": {"content-type": "application/json"}}
        answer = web(method, path, key="anna", **(more if body is not None else {}))
        assert answer.status_code < 500, (method, path, body, answer.text)
    assert "failed" not in caplog.text
    assert web("GET", "/me", key="anna").status_code == 200
