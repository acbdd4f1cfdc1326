"""`arcrun setup --service-account`: the key is checked, tried, kept, and its file may go."""

from __future__ import annotations

import json
import sys

import pytest

from arcrun_auth.keyfile import state
from arcrun_cli.commands.setup import offer_to_delete
from tests.accounts_world import ROBOT, World, key_file
from tests.cli.test_setup import finish

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")


@pytest.fixture
def world():
    found = World()
    yield found
    found.close()


@pytest.fixture
def at(cli, world):
    """The command, with a recipe for the provider; and a file with a key."""
    (cli.home / "recipes").mkdir(parents=True)
    cli.home.chmod(0o700)
    (cli.home / "recipes" / "demo.yaml").write_text(world.recipe)
    cli.env["ARCRUN_ALLOW_HOSTS"] = world.origin
    cli.file = cli.folder / "given" / "key.json"
    cli.file.write_text(key_file())
    return cli


@pytest.mark.parametrize("delete", [True, False])
def test_a_key_is_taken_from_its_file_and_the_file_goes_if_it_may(at, world, delete):
    child = at.terminal("setup", "demo", "--service-account", str(at.file))
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("[y/N]:")
    child.sendline("y" if delete else "")
    said = finish(child)
    assert child.exitstatus == 0, said
    assert at.file.exists() is not delete
    assert ("is deleted" if delete else "still holds it in clear") in " ".join(said.split())
    assert "PRIVATE" not in said
    token = at("token", "demo").out.strip()
    assert world.living[token][0] == ROBOT
    assert len(world.assertions) == 1  # the token of the setup is good for an hour
    assert f"{ROBOT}" in at("list").out


def test_the_path_of_the_file_is_asked_for(at, world):
    child = at.terminal("setup", "demo")
    child.expect_exact("Do you agree?")
    child.sendline("y")
    child.expect_exact("the path of its file:")
    child.sendline(str(at.file))
    said = finish(child)
    assert child.exitstatus == 0, said
    assert len(world.assertions) == 1
    why = json.loads(at("why", "demo", "--json").out)
    assert (why["method"], why["status"]) == ("service_account", "connected")
    assert "PRIVATE" not in json.dumps(why)
    assert at("test", "demo").code == 0
    assert at("remove", "demo", "--yes").code == 0
    assert at("token", "demo").code == 4


def test_a_document_that_is_no_secret_is_not_offered_to_be_deleted(at, world, tmp_path):
    token = tmp_path / "given" / "token"
    token.write_text("workload-token")
    world.workloads["workload-token"] = ROBOT
    at.file.write_text(
        json.dumps(
            {
                "type": "external_account",
                "audience": "a",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "credential_source": {"file": str(token)},
            }
        )
    )
    child = at.terminal("setup", "demo", "--service-account", str(at.file))
    child.expect_exact("Do you agree?")
    child.sendline("y")
    said = finish(child)
    assert child.exitstatus == 0, said
    assert "Delete" not in said
    assert "clear" not in said
    assert at.file.exists()


def test_a_file_that_is_no_key_is_refused_with_what_it_is(at, world):
    at.file.write_text(json.dumps({"installed": {"client_id": "x"}}))
    child = at.terminal("setup", "demo", "--service-account", str(at.file))
    child.expect_exact("Do you agree?")
    child.sendline("y")
    said = " ".join(finish(child).split())
    assert child.exitstatus == 1
    assert "--client-file" in said
    assert "→ arcrun setup demo" in said
    assert "service_account --service" not in said  # the way in is no service
    assert world.seen == []


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("setup", "notion", "--service-account", "key.json"), "no key file for notion"),
        (("setup", "demo", "--service-account", "nowhere.json"), "no file nowhere.json"),
        (("setup", "google_drive", "--method", "oauth", "--service-account", "k"), "'oauth'"),
    ],
)
def test_what_takes_no_file_or_has_none_is_told(at, args, says):
    ran = at(*args)
    assert ran.code in (1, 2)
    assert says in ran.err


class Willing:
    """Somebody at a terminal who says yes to all, and does `meanwhile` before: no terminal can
    be made to change a file between a question and its answer."""

    reach = "terminal"

    def __init__(self, meanwhile=lambda: None):
        self.asked = []
        self._meanwhile = meanwhile

    def confirm(self, question):
        self.asked.append(question)
        self._meanwhile()
        return True


@pytest.fixture
def given(tmp_path):
    (tmp_path / "given").mkdir()
    return tmp_path / "given"


def test_a_link_is_not_deleted_in_place_of_the_key_that_it_leads_to(given, capsys):
    key, link = given / "key.json", given / "link.json"
    key.write_text(key_file())
    link.symlink_to(key)
    person = Willing()
    offer_to_delete(str(link), person, state(str(link)))
    assert (key.exists(), link.is_symlink(), person.asked) == (True, True, [])
    assert "what it leads to still holds the key in clear" in " ".join(
        capsys.readouterr().err.split()
    )


@pytest.mark.parametrize("when", ["before the question", "amid the question"])
def test_a_file_that_is_another_one_by_now_is_not_deleted(given, capsys, when):
    key = given / "key.json"
    key.write_text(key_file())
    before = state(str(key))

    def replace():
        (given / "new").write_text(key_file(client_email="new@demo.iam.example"))
        (given / "new").replace(key)

    if when == "before the question":
        replace()
        offer_to_delete(str(key), Willing(), before)
    else:
        offer_to_delete(str(key), Willing(replace), before)
    assert "new@demo" in key.read_text()
    assert "changed meanwhile" in capsys.readouterr().err


def test_a_file_that_has_gone_or_turned_into_something_else_ends_no_setup(given):
    key = given / "key.json"
    key.write_text(key_file())
    before = state(str(key))
    key.unlink()
    offer_to_delete(str(key), Willing(), before)
    key.mkdir()
    offer_to_delete(str(key), Willing(), before)
    assert key.is_dir()
