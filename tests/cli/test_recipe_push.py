"""`arcrun recipes push`, against a platform that answers as the public one was recorded to."""

from __future__ import annotations

import json

import pytest

from arcrun_auth.testing import Somebody
from tests import canary
from tests.servers import Reply, recorder

PLAIN = """\
service: my_api
primitive: static_key
display_name: My API
base_url: https://api.example.com
required_secrets:
  - {key: my_api_key, label: API key, help_url: "https://api.example.com/keys"}
inject:
  header: {Authorization: "Bearer {{secret.my_api_key}}"}
"""
RICH = PLAIN + "test: {path: /me}\nstatic_headers: {X-Version: '2'}\n"


class Platform:
    """Keeps the fields it knows and drops the others without a word; any key will do."""

    FIELDS = (
        "kind", "service", "version", "primitive", "base_url", "display_name", "description",
        "service_account_kind", "token_exchange", "required_secrets", "inject",
    )  # fmt: skip

    def __init__(self) -> None:
        self.recipes: dict[str, dict] = {}
        self.posts = 0
        self.next: list[Reply] = []
        self.forgets = False

    def __call__(self, seen) -> Reply:
        if self.next and seen.method == "POST":
            return self.next.pop(0)
        prefix, _, service = seen.target.partition("/auth-recipes")
        if prefix or "?" in seen.target:
            return Reply(404, {"content-type": "text/plain"}, b"404 Not Found")
        if seen.method == "POST":
            return self.post(json.loads(seen.body))
        found = self.recipes.get(service.removeprefix("/"))
        if found is None:
            return self.said(404, success=False, error="找不到此服務的 recipe")
        return self.said(200, success=True, recipe=found)

    def post(self, data: dict) -> Reply:
        self.posts += 1
        missing = [n for n in ("service", "primitive", "base_url", "required_secrets", "inject")
                   if not data.get(n)]  # fmt: skip
        if missing:
            return self.said(400, success=False, error=f"缺少欄位 {missing[0]}")
        kept = {name: data[name] for name in self.FIELDS if name in data}
        if not self.forgets:
            self.recipes[data["service"]] = {**kept, "created_at": 1764000000}
        return self.said(201, success=True, recipe=kept)

    @staticmethod
    def said(status: int, **data) -> Reply:
        body = json.dumps(data, ensure_ascii=False).encode()
        return Reply(status, {"content-type": "application/json; charset=UTF-8"}, body)


@pytest.fixture
def platform():
    return Platform()


@pytest.fixture
def server(platform):
    with recorder(platform) as running:
        yield running


@pytest.fixture
def push(inside, server, tmp_path, monkeypatch):
    """Pushes a recipe of this text, with an API key from the environment."""
    key = f"ak_{canary.fresh()}"
    monkeypatch.setenv("ARCRUN_API_KEY", key)
    monkeypatch.setenv("ARCRUN_ALLOW_HOSTS", server.origin)
    monkeypatch.setenv("ARCRUN_SERVER", server.origin)

    def run(text, *args, **more):
        (tmp_path / "my_api.yaml").write_text(text)
        args = args or ("--yes",)
        return inside("recipes", "push", "my_api.yaml", "--server", server.origin, *args, **more)

    run.key = key
    return run


def test_a_plain_recipe_arrives_whole(push, platform, server):
    ran = push(PLAIN)

    assert ran.code == 0, ran.both
    assert platform.recipes["my_api"]["base_url"] == "https://api.example.com"
    assert "my_api is on 127.0.0.1:" in ran.err
    kept = "service, primitive, display_name, base_url, required_secrets, inject"
    assert f"The public platform keeps: {kept}." in ran.err
    assert "drop" not in ran.err
    posts = [seen for seen in server.seen if seen.method == "POST"]
    assert [seen.headers["x-arcrun-api-key"] for seen in posts] == [push.key]
    # The key goes where it is needed, and stands in no address.
    others = [seen for seen in server.seen if seen.method != "POST"]
    assert not any(push.key in seen.raw for seen in others)
    assert push.key not in "".join(seen.target for seen in server.seen)


def test_what_leaves_this_machine_is_shown_to_the_letter(push, server):
    ran = push(PLAIN)

    sent = json.loads(next(seen.body for seen in server.seen if seen.method == "POST"))
    shown = ran.err[ran.err.index("    {") :].partition("\n    }\n")[0] + "\n}"
    assert json.loads(shown) == sent
    assert f"by POST to {server.origin}/auth-recipes" in ran.err
    assert "your API key, in the header X-Arcrun-API-Key" in ran.err


def test_what_is_dropped_is_told_before_and_what_was_lost_after(push, platform):
    ran = push(RICH)

    assert ran.code == 1
    assert "It would drop: test, static_headers." in ran.err
    assert "✗ lost  test is gone" in ran.out
    assert "✗ lost  static_headers is gone" in ran.out
    assert "not as it is here" in ran.err
    assert "test" not in platform.recipes["my_api"]


def test_whoever_is_there_is_asked_first(push, platform, monkeypatch):
    class Refuses(Somebody):
        def confirm(self, question: str) -> bool:
            super().confirm(question)
            assert platform.posts == 0
            return False

    no = Refuses()
    assert push(PLAIN, "--no-input", person=no).code == 1
    assert "Publish my_api on 127.0.0.1:" in no.asked[0]
    assert platform.posts == 0

    key = f"ak_{canary.fresh()}"
    monkeypatch.delenv("ARCRUN_API_KEY")
    yes = Somebody(key)
    assert push(PLAIN, "--no-input", person=yes).code == 0
    assert yes.asked[1] == "API key of the platform"

    # What is there already as it is here is not published anew.
    assert push(PLAIN, "--no-input", person=Somebody(key)).code == 0
    assert platform.posts == 1


def test_what_is_there_already_is_shown_before_it_is_replaced(push, platform):
    class Hesitates(Somebody):
        def confirm(self, question: str) -> bool:
            super().confirm(question)
            return question != "Replace it?"

    theirs = {"service": "my_api", "base_url": "https://theirs.example.com"}
    platform.recipes["my_api"] = theirs
    ran = push(PLAIN, "--no-input", person=Hesitates())

    assert (ran.code, platform.posts, platform.recipes["my_api"]) == (1, 0, theirs)
    assert "base_url is 'https://theirs.example.com' there" in ran.err
    assert push(PLAIN).code == 0
    assert platform.recipes["my_api"]["base_url"] == "https://api.example.com"


def test_where_nobody_is_it_takes_a_yes_and_a_key(push, platform, server, monkeypatch):
    ran = push(PLAIN, "--no-input")
    assert (ran.code, platform.posts) == (2, 0)
    assert f"→ ARCRUN_SERVER={server.origin} arcrun recipes push my_api.yaml --yes" in ran.err

    monkeypatch.delenv("ARCRUN_API_KEY")
    assert push(PLAIN).code == 4
    assert push(PLAIN, ARCRUN_API_KEY="two words").code == 1
    assert platform.posts == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("help_url", "help"), "required_secrets[0].help_url: the page where my_api_key is found"),
        (("https://api.example.com\n", "https://com\n"), "error. Nothing was sent."),
        (("primitive: static_key", "primitive: nonsense\nmore: 1"), "There is no such field."),
    ],
)
def test_a_recipe_that_would_be_refused_is_not_sent(push, server, change, said):
    ran = push(PLAIN.replace(*change))

    assert ran.code == 1
    assert said in ran.both
    assert server.seen == []


def test_a_login_has_no_secret_to_ask_for_there(push, server):
    ran = push(
        "service: my_api\nprimitive: oauth2\nbase_url: https://api.example.com\n"
        "oauth2: {token_endpoint: 'https://api.example.com/t', grants: [client_credentials]}\n"
    )
    assert ran.code == 1
    assert "There is no required_secrets. There is no inject." in ran.err
    assert server.seen == []


ERRORS = {
    "under 200": (Platform.said(200, success=False, error="壞了"), 1, "answered 200: 壞了"),
    "error alone": (Platform.said(400, error="bad\x1b[2J thing"), 1, "answered 400: bad[2J thing"),
    "problem": (Platform.said(422, title="Unfit", detail="No such field"), 1, "No such field"),
    "plain 404": (Reply(404, body=b"404 Not Found"), 1, "answered 404: 404 Not Found"),
    "plain 500": (Reply(500, body=b"Internal Server Error"), 6, "500: Internal Server Error"),
    "a page": (Reply(500, body=b"<html>no</html>"), 6, "answered 500."),
    "key": (
        Platform.said(401, success=False, error="無效的 API key"),
        5,
        "did not take the API key",
    ),
    "forbidden": (Reply(403, body=b"no"), 5, "did not take the API key: no"),
    "elsewhere": (Reply(302, {"location": "https://evil.example"}, b""), 1, "answered 302."),
    "error under 200": (Platform.said(200, error="no"), 1, "answered 200: no"),
    "no answer": (Reply(200, body=b"ok"), 1, "something that no platform answers"),
    "a list": (Reply(200, body=b"[]"), 1, "something that no platform answers"),
    "odd": (Platform.said(400, error={"code": 1}), 1, "answered 400."),
}


@pytest.mark.parametrize("shape", ERRORS)
def test_each_shape_of_an_error_is_told(push, platform, shape):
    answer, code, said = ERRORS[shape]
    platform.next.append(answer)
    ran = push(PLAIN)

    assert (ran.code, platform.recipes) == (code, {})
    assert said in ran.err


def test_a_key_that_is_repeated_to_us_is_not_shown(push, platform):
    platform.next.append(Platform.said(400, error=f"unknown key {push.key}"))
    ran = push(PLAIN)
    assert "unknown key ***" in ran.err  # and the canary would tell


def test_what_is_nowhere_afterwards_is_lost(push, platform):
    platform.forgets = True
    ran = push(PLAIN)
    assert (ran.code, "all of it" in ran.out) == (1, True)


def test_an_answer_without_a_recipe_is_told(push, platform):
    platform.recipes["my_api"] = ["not", "one"]
    ran = push(PLAIN)
    assert (ran.code, "without a recipe" in ran.err, platform.posts) == (1, True, 0)


@pytest.mark.parametrize("ours", ["", "https://platform.example.com"])
def test_the_key_of_one_platform_goes_to_another_only_if_somebody_says_so(
    push, platform, server, ours
):
    ran = push(PLAIN, "--yes", ARCRUN_SERVER=ours)
    assert (ran.code, server.seen) == (2, [])
    assert f"→ ARCRUN_SERVER={server.origin} arcrun recipes push my_api.yaml --yes" in ran.err

    person = Somebody()
    assert push(PLAIN, "--yes", person=person, ARCRUN_SERVER=ours).code == 0
    host = server.origin.removeprefix("http://")
    assert person.asked == [f"Publish my_api on {host}, which gets your API key?"]
    assert platform.posts == 1


def test_nothing_at_all_is_sent_before_a_yes(push, server):
    class Refuses(Somebody):
        def confirm(self, question: str) -> bool:
            return False

    assert push(PLAIN, "--no-input", person=Refuses()).code == 1
    assert server.seen == []


def test_what_comes_back_otherwise_is_told(push, platform):
    real = platform.post

    def changed(data):
        answer = real(data)
        platform.recipes["my_api"]["base_url"] = "https://evil.example"
        platform.recipes["my_api"]["required_secrets"] = []
        return answer

    platform.post = changed
    ran = push(PLAIN)
    assert ran.code == 1
    assert "base_url is 'https://evil.example' there, not 'https://api.example.com'" in ran.out
    assert "required_secrets is [] there" in ran.out


@pytest.mark.parametrize(
    ("server_url", "code"),
    [("http://api.example.com", 7), ("https://u:p@api.example.com", 1), ("nowhere", 1),
     ("https://a.example.com/?x", 1), ("https://[::1", 1)],
)  # fmt: skip
def test_only_an_https_address_is_a_platform(inside, tmp_path, server_url, code):
    (tmp_path / "my_api.yaml").write_text(PLAIN)
    ran = inside("recipes", "push", "my_api.yaml", "--server", server_url, "--yes")
    assert ran.code == code
    assert "u:p" not in ran.both


def test_the_setting_names_the_platform_and_a_service_its_file(push, inside, platform, server):
    assert inside("recipes", "push", "notion", "--yes", ARCRUN_SERVER="").code == 2
    ran = inside("recipes", "push", "notion", "--yes", ARCRUN_SERVER=f"{server.origin}/")
    assert ran.code == 1  # it has fields of ours
    assert "It would drop:" in ran.err
    assert platform.recipes["notion"]["base_url"] == "https://api.notion.com/v1"
    assert inside("recipes", "push", "no_such_one", "--yes").code == 2
