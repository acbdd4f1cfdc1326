"""`arcrun app`: registering an app at a terminal, by a pipe, and what is told of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests import canary
from tests.cli.conftest import plain
from tests.unit.test_apps import CERTIFICATE, PEM

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

GUIDE = """\
app_register_url: https://console.example.com/apps
app_guide:
  - {text: "Make an app.", url: "https://console.example.com/apps"}
  - {text: "Add this redirect URI.", value: "{{redirect_uri}}"}
  - {text: "Add these scopes.", url: "https://console.example.com/scopes", value: "{{scopes}}"}
"""


def recipe(provider, name: str, **client: str) -> str:
    fields = "".join(f"    {key}: {value}\n" for key, value in client.items())
    text = provider.recipe_yaml(name, auth="post")
    return text.replace("  client:\n", "  client:\n" + fields) + GUIDE


@pytest.fixture
def guided(served, provider, tmp_path):
    """`solo` with an app for itself, `duo` and `trio` that share `family`, `keyproof` by key."""
    folder = served.home / "recipes"
    (folder / "solo.yaml").write_text(recipe(provider, "solo"))
    for name in ("duo", "trio"):
        (folder / f"{name}.yaml").write_text(recipe(provider, name, app="family"))
    text = recipe(provider, "keyproof").replace("auth: post", "auth: private_key_jwt")
    (folder / "keyproof.yaml").write_text(text)
    provider.register("own-app", auth="post")
    browser = tmp_path / "given" / "browser"
    opened = tmp_path / "given" / "opened"
    browser.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"open({str(opened)!r}, 'a').write(sys.argv[1] + '\\n')\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from arcrun_auth.testing import Provider\n"
        "if 'authorize' in sys.argv[1]: Provider().follow(sys.argv[1])\n"
    )
    browser.chmod(0o700)
    served.env["BROWSER"] = str(browser)
    served.env["DISPLAY"] = ":9"  # a desktop; $BROWSER comes first
    served.opened = lambda: opened.read_text().split() if opened.exists() else []
    del served.env["ARCRUN_DEMO_CLIENT_ID"]
    return served


def finish(child) -> str:
    import pexpect

    child.expect(pexpect.EOF)
    child.wait()
    return plain(child.before)


def answer(child, question: str, typed: str, *, hidden: bool = False) -> None:
    child.expect_exact(question)
    if hidden:
        child.waitnoecho()
    child.sendline(typed)


def agree(child) -> None:
    answer(child, "Do you agree? [y/N]:", "y")


def walk(child) -> None:
    """Through the three steps of the guide, both of its pages opened."""
    for step in (1, 2, 3):
        child.expect_exact(f"Step {step} of 3")
        if step != 2:
            answer(child, "Enter opens this page, s skips the step", "")
        if step != 3:
            answer(child, "Enter when that is done", "")


def apps_of(cli, **env: str) -> dict[str, dict]:
    return {app["name"]: app for app in json.loads(cli("app", "list", "--json", **env).out)["apps"]}


def test_an_app_is_registered_step_by_step_and_logged_in_with(guided, provider):
    child = guided.terminal("app", "add", "solo")
    for step, url, value in (
        (1, "https://console.example.com/apps", ""),
        (2, "", "http://127.0.0.1/callback"),
        (3, "https://console.example.com/scopes", "read\r\nwrite"),
    ):
        child.expect_exact(f"Step {step} of 3")
        if url:
            child.expect_exact(url)
        if value:  # alone on its line, from the left edge on
            child.expect_exact(f"\r\n\r\n{value}\r\n\r\n")
        if url:
            answer(child, "Enter opens this page, s skips the step", "")
        if step < 3:
            answer(child, "Enter when that is done", "")
    answer(child, "Client ID", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    child.expect_exact("as the app solo")
    agree(child)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "Connected as ada@example.com" in said
    assert "arcrun snippet solo" in said
    assert provider.client_secret not in said
    assert guided.opened()[:2] == [
        "https://console.example.com/apps", "https://console.example.com/scopes",
    ]  # fmt: skip
    assert provider.authorizations[0]["client_id"] == "own-app"
    assert apps_of(guided)["solo"]["complete"]


def test_a_login_that_needs_an_app_goes_the_same_way(guided, provider):
    child = guided.terminal("setup", "solo")
    agree(child)
    walk(child)
    answer(child, "Client ID", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "Connected as ada@example.com" in said
    assert apps_of(guided)["solo"]["client_id"] == "own-app"


def test_a_family_asks_which_of_its_services_to_connect(guided, provider):
    child = guided.terminal("app", "add", "family")
    child.expect_exact("1  duo")
    answer(child, "Number or name, empty: none:", "none of these")
    child.expect_exact("It is none of them.")
    answer(child, "Number or name, empty: none:", "2")
    walk(child)
    answer(child, "Client ID", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    agree(child)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "arcrun snippet trio" in said
    assert apps_of(guided)["family"]["services"] == ["duo", "trio"]


def test_a_family_can_be_registered_for_later(guided, provider):
    child = guided.terminal("app", "add", "family")
    answer(child, "Number or name, empty: none:", "")
    walk(child)
    answer(child, "Client ID", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "→ arcrun setup duo" in said
    assert provider.requests.total() == 0


def test_a_choice_that_is_never_one_of_the_list_is_none(guided):
    child = guided.terminal("app", "add", "family", "--no-input")
    assert child.exitstatus is None
    assert "family" in finish(child)
    assert child.exitstatus == 4

    child = guided.terminal("app", "add", "family")
    for _ in range(3):
        answer(child, "Number or name, empty: none:", "9")
    child.expect_exact("Step 1 of 3")
    child.sendintr()
    finish(child)
    assert child.exitstatus == 130


def test_what_stands_already_is_logged_in_anew_only_with_a_word(guided, provider):
    child = guided.terminal("app", "add", "solo", "--client-id", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    agree(child)
    assert "Connected as" in finish(child)

    child = guided.terminal("app", "add", "solo", "--client-id", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    answer(child, "Replace it? [y/N]:", "n")
    assert "The login was left as it is." in finish(child)
    assert child.exitstatus == 0


# -- without a dialogue --------------------------------------------------------------------


def stdin_of(provider) -> dict[str, str]:
    return {"client_id": "own-app", "client_secret": provider.client_secret}


@pytest.mark.parametrize("shape", ["json", "lines", "client file"])
def test_a_pipe_gives_the_app(guided, provider, shape):
    parts = stdin_of(provider)
    text = {
        "json": json.dumps(parts),
        "lines": "".join(f"{key}={value}\n" for key, value in parts.items()),
        "client file": json.dumps({"installed": parts}),
    }[shape]
    ran = guided("app", "add", "solo", "--stdin", "--secret-expires", "2999-01-31", stdin=text)

    assert ran.code == 0, ran.err
    assert "→ arcrun setup solo" in ran.err
    assert provider.client_secret not in ran.both
    found = apps_of(guided)["solo"]
    assert (found["client_id"], found["ends"], found["complete"]) == ("own-app", "2999-01-31", True)
    assert {origin["store"] for origin in found["origins"]} == {"vault"}


def test_after_a_pipe_the_terminal_is_asked_again(guided, provider, tmp_path):
    import pexpect

    given = tmp_path / "given" / "app.json"
    given.write_text(json.dumps(stdin_of(provider)))
    command = f"{sys.executable} -m arcrun_cli app add solo --stdin < {given}"
    child = pexpect.spawn("sh", ["-c", command], env=guided.env, timeout=60, encoding="utf-8")
    agree(child)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "Connected as ada@example.com" in said


def test_an_address_of_one_s_own_is_kept_and_shown_as_what_to_register(guided, provider, tmp_path):
    own = "https://app.example.com/callback"
    text = json.dumps(stdin_of(provider))
    ran = guided("app", "add", "solo", "--stdin", "--redirect-uri", own, stdin=text)
    assert ran.code == 0, ran.err
    assert apps_of(guided)["solo"]["redirect_uri"] == own
    shown = json.loads(guided("app", "show", "solo", "--json").out)
    assert shown["guides"][0]["redirect_uris"] == [own]
    assert own in guided("app", "show", "solo").out

    # A client for a web site serves, where this is one of its addresses; and the file may name it.
    path = tmp_path / "given" / "client.json"
    web = {"web": {**stdin_of(provider), "redirect_uris": ["https://x.example/", own]}}
    path.write_text(json.dumps(web))
    add = ("app", "add", "family", "--client-file", str(path), "--no-login")
    assert guided(*add).code == 1
    assert guided(*add, "--redirect-uri", own).code == 0
    path.write_text(json.dumps(stdin_of(provider) | {"redirect_uri": f"{own}/2"}))
    assert guided(*add).code == 0
    assert apps_of(guided)["family"]["redirect_uri"] == f"{own}/2"

    ran = guided("app", "add", "solo", "--client-id", "x", "--redirect-uri", "http://x.example/")
    assert ran.code == 1
    assert "it is not https" in ran.err


@pytest.mark.parametrize(
    ("stdin", "code", "said"),
    [
        ("", 2, "is empty"),
        ('{"client_id": "x", "token": "y"}', 2, "other things"),
        ('{"client_id": "x"}', 4, "client_secret"),
        ('{"type": "service_account"}', 1, "service account"),
        ("a-word", 2, "several secrets"),
    ],
)
def test_what_is_no_app_is_refused(guided, stdin, code, said):
    ran = guided("app", "add", "solo", "--stdin", "--no-input", stdin=stdin)

    assert ran.code == code
    assert said in ran.err
    assert apps_of(guided) == {}


def test_a_client_file_is_kept_without_anybody(guided, tmp_path):
    path = tmp_path / "given" / "client.json"
    data = {"client_id": "own-app", "client_secret": canary.fresh()}
    path.write_text(json.dumps({"installed": data}))
    ran = guided("app", "add", "duo", "--client-file", str(path))

    assert ran.code == 0, ran.err
    assert canary.WORD not in ran.both
    assert apps_of(guided)["family"]["client_id"] == "own-app"


def test_with_a_client_file_a_family_is_asked_afterwards(guided, provider, tmp_path):
    path = tmp_path / "given" / "client.json"
    path.write_text(json.dumps({"installed": stdin_of(provider)}))
    child = guided.terminal("app", "add", "family", "--client-file", str(path))
    child.expect_exact("as the app family")
    answer(child, "Number or name, empty: none:", "duo")
    agree(child)
    said = finish(child)

    assert child.exitstatus == 0, said
    assert "Connected as ada@example.com" in said


def test_a_key_proves_an_app_and_lies_in_the_vault_alone(guided, tmp_path):
    given = tmp_path / "given"
    (given / "key.pem").write_text(PEM.replace("AA==", canary.fresh()))
    (given / "own.crt").write_text(CERTIFICATE)
    ran = guided(
        "app", "add", "keyproof", "--client-id", "id-1", "--key-file", str(given / "key.pem"),
        "--key-id", "k1", "--certificate", str(given / "own.crt"), "--no-login",
    )  # fmt: skip

    assert ran.code == 0, ran.err
    assert canary.WORD not in ran.both
    found = apps_of(guided)["keyproof"]
    assert found["complete"]
    assert {o["key"] for o in found["origins"]} == {
        "client_id", "private_key", "key_id", "certificate",
    }  # fmt: skip


def test_no_secret_is_taken_from_the_command_line(guided):
    secret = "hunter2-hunter2"  # no canary: another test looks for those in all argument lists
    for args in (("--client-secret", secret), (secret,), (f"--secret={secret}",)):
        ran = guided("app", "add", "solo", *args)
        assert ran.code == 2
        assert "command line" in ran.err
        assert secret not in ran.both
    assert "arcrun app add solo asks for it hidden" in ran.err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("solo", "--client-id", "x", "--stdin"), "not several"),
        (("solo", "--method", "none"), "there are oauth"),
        (("solo", "--secret-expires", "2001-01-01"), "ended already"),
        (("solo@work",), "no instances"),
        (("solo", "--secret-expires", "soon"), "does not match"),
    ],
)
def test_options_that_do_not_fit(guided, args, said):
    ran = guided("app", "add", *args, "--no-input")
    assert ran.code == 2
    assert said in ran.err


def test_a_service_by_key_needs_none(cli):
    ran = cli("app", "add", "openai", "--no-input")
    assert ran.code == 1
    assert "→ arcrun setup openai" in ran.err


# -- what is told --------------------------------------------------------------------------


def test_without_an_app_it_says_how_to_get_one(cli):
    ran = cli("app", "list")
    assert ran.code == 0
    assert "arcrun app add" in ran.err


def test_list_names_every_source_and_no_secret(guided, provider, tmp_path):
    guided("app", "add", "solo", "--stdin", stdin=json.dumps(stdin_of(provider)))
    (tmp_path / "given" / "secret").write_text(canary.fresh())
    (guided.home / "config.toml").write_text(
        f'[apps.family]\nclient_id = "id-1"\n'
        f'client_secret_file = "{tmp_path / "given" / "secret"}"\n'
    )
    env = {"ARCRUN_FAMILY_CLIENT_SECRET": canary.fresh(), "ARCRUN_KEYPROOF_CLIENT_ID": "id-2"}
    ran = guided("app", "list", **env)

    assert ran.code == 0, ran.err
    assert provider.client_secret not in ran.both
    assert canary.WORD not in ran.both
    rows = {line.split()[0]: line for line in ran.out.splitlines()}
    assert "vault" in rows["solo"]
    assert "config.toml" in rows["family"]
    assert "keyproof is incomplete" in ran.err
    assert "family: the client id is from the config.toml" in ran.err
    stores = {o["key"]: o["store"] for o in apps_of(guided, **env)["family"]["origins"]}
    assert stores == {"client_id": "config.toml", "client_secret": "environment"}


def test_a_secret_that_has_ended_is_told(guided, provider):
    from arcrun_auth import Broker, apps
    from arcrun_auth.tokens import Secret

    broker = Broker(home=str(guided.home), environ=guided.env)
    way = broker.recipes.recipe("solo").way()
    app = apps.App("own-app", Secret(canary.fresh()))
    apps.keep(broker.store, "solo", way, app, ends=1e9)
    broker.close()

    assert "its secret has ended" in guided("app", "list").err
    assert "ends 2001-09-09" in guided("app", "show", "solo").out


def test_what_an_instance_s_own_app_lacks_is_given_with_its_setup(guided):
    from arcrun_auth import Broker, apps

    broker = Broker(home=str(guided.home), environ=guided.env)
    way = broker.recipes.recipe("solo").way()
    apps.keep(broker.store, "solo", way, apps.App("own-app"), instance="work")
    broker.close()

    ran = guided("app", "list")
    assert "solo@work is incomplete" in ran.err
    assert "→ arcrun setup solo@work --client-file FILE" in ran.err


def test_clients_that_registered_themselves_are_told_apart_and_removed_together(guided):
    """One for each of two servers: nobody can add such an app, and a login registers it anew."""
    from arcrun_auth import Broker, apps
    from arcrun_auth.tokens import Secret

    broker = Broker(home=str(guided.home), environ=guided.env)
    way = broker.recipes.recipe("solo").way()
    for server in ("https://a.example/register", "https://b.example/register"):
        app = apps.App(f"at-{server}", Secret(canary.fresh()))
        apps.keep(broker.store, "tenants", way, app, ends=1e9, server=server)
    broker.close()

    listed = guided("app", "list")
    assert listed.err.count("the next login registers it anew") == 2
    assert "arcrun app add" not in listed.err
    assert len(apps_of(guided)) == 2
    ran = guided("app", "remove", "tenants", "--yes")
    assert ran.code == 0, ran.err
    assert apps_of(guided) == {}


def test_what_is_saved_under_a_variable_is_said_to_be_unused(guided, provider):
    text = json.dumps(stdin_of(provider))
    ran = guided("app", "add", "solo", "--stdin", stdin=text, ARCRUN_SOLO_CLIENT_ID="other")
    assert ran.code == 0
    assert "What stands in ARCRUN_SOLO_CLIENT_ID is used before it." in ran.err


def test_show_tells_what_to_register_and_who_shares_it(guided):
    ran = guided("app", "show", "family")
    assert ran.code == 0
    for text in ("duo, trio", "nothing yet", "http://127.0.0.1/callback", "2. Add this"):
        assert text in ran.out
    assert "→ arcrun app add family" in ran.err

    shown = json.loads(guided("app", "show", "duo", "--json").out)
    assert (shown["name"], shown["services"], shown["app"]) == ("family", ["duo", "trio"], None)
    (guide,) = shown["guides"]
    assert guide["redirect_uris"] == ["http://127.0.0.1/callback"]
    assert guide["steps"][2]["values"] == ["read", "write"]


def test_show_tells_each_way_in_where_they_differ(cli):
    ran = cli("app", "show", "slack")
    assert ran.out.count("To register it, for slack by") == 2


def test_show_of_an_app_without_a_guide(served):
    ran = served("app", "show", "demo")
    assert ran.code == 0, ran.err
    assert "client_id from the environment (ARCRUN_DEMO_CLIENT_ID)" in ran.out
    assert "in the console of the provider" in ran.out


def test_remove_says_who_suffers_and_asks(guided, provider):
    child = guided.terminal("app", "add", "solo", "--client-id", "own-app")
    answer(child, "Client secret", provider.client_secret, hidden=True)
    agree(child)
    finish(child)

    refused = guided("app", "remove", "solo", BROWSER="", DISPLAY="")
    assert refused.code == 2
    assert "cannot be renewed: solo." in refused.err
    assert "→ arcrun app remove solo --yes" in refused.err

    for typed, code in (("n", 1), ("y", 0)):
        child = guided.terminal("app", "remove", "solo")
        answer(child, "Forget the app solo? [y/N]:", typed)
        said = finish(child)
        assert child.exitstatus == code
    assert "delete it there, at https://console.example.com/apps" in " ".join(said.split())
    assert apps_of(guided) == {}
    assert "nothing to remove" in guided("app", "remove", "solo").err


def test_another_client_in_its_place_says_which_logins_it_cannot_renew(guided, provider):
    """A grant belongs to the client that it was given to (RFC 6749 §6)."""
    from arcrun_auth import Broker
    from tests.cli.conftest import Agrees

    text = json.dumps(stdin_of(provider))
    first = guided("app", "add", "family", "--stdin", "--no-login", stdin=text)
    assert "log in" not in first.err
    broker = Broker(
        home=str(guided.home), environ=guided.env, person=Agrees(), open_url=provider.follow,
        allow_hosts=[provider.issuer],
    )  # fmt: skip
    broker.setup("duo")
    broker.close()
    again = guided("app", "add", "family", "--stdin", "--no-login", stdin=text)
    assert "have to log in again" not in again.err  # the same client, perhaps a new secret

    other = json.dumps(stdin_of(provider) | {"client_id": "other-app"})
    ran = guided("app", "add", "trio", "--stdin", "--no-login", stdin=other)
    assert ran.code == 0, ran.err
    assert "These have to log in again, since it is another client: duo." in ran.err


def test_remove_of_what_the_environment_gives(guided):
    ran = guided("app", "remove", "solo", "--yes", ARCRUN_SOLO_CLIENT_ID="x")
    assert ran.code == 1
    assert "arcrun app list" in ran.err


def test_why_names_the_source_of_the_app(guided):
    ran = guided("why", "solo", ARCRUN_SOLO_CLIENT_ID="x")
    assert "client_id from the environment (ARCRUN_SOLO_CLIENT_ID)" in ran.out


def test_doctor_counts_the_apps_of_config_toml(guided):
    (guided.home / "config.toml").write_text('[apps.family]\nclient_id = "id-1"\n')
    assert "apps.family set" in guided("doctor").out


def test_names_of_apps_are_completed(cli):
    words = {"COMP_WORDS": "arcrun app add goo", "COMP_CWORD": "3"}
    ran = cli(_ARCRUN_COMPLETE="bash_complete", **words)
    assert "plain,google" in ran.out.splitlines()
