"""An error ends in the right exit code, says what to do, and shows nothing."""

from __future__ import annotations

import json
import subprocess

import click
import pytest

from arcrun_auth import errors
from arcrun_cli import failures
from tests import canary
from tests.cli.conftest import COMMAND

MADE = [
    (errors.AuthError("x"), 1),
    (errors.UnknownService("notoin"), 2),
    (errors.RecipeError("x"), 1),
    (errors.MissingSecret("x", key="k", service="s"), 4),
    (errors.LoginRequired("x", service="s"), 4),
    (errors.MissingScope("x", scope="a", service="s"), 4),
    (errors.NoToken("x"), 1),
    (errors.LoginFailed("x"), 5),
    (errors.TokenRefused("x"), 5),
    (errors.ProviderUnavailable("x"), 6),
    (errors.ConsentRequired("x", service="s"), 7),
    (errors.HostNotAllowed("x", host="h"), 7),
    (errors.PolicyRefused("x", rule="r"), 7),
    (errors.StoreError("x"), 1),
    (errors.StoreLocked("x"), 4),
    (errors.StoreCorrupt("x"), 1),
    (errors.StoreConflict("x"), 1),
    (errors.NoStore("x"), 4),
    (errors.RefreshBusy("x"), 6),
    (errors.SyncConflict("x", mine="a", theirs="b"), 1),
    (errors.SyncAlarm("x", what="forked"), 7),
    (KeyboardInterrupt(), 130),
    (RuntimeError("x"), 1),
]


@pytest.mark.parametrize(("error", "code"), MADE, ids=lambda case: type(case).__name__)
def test_each_error_has_its_exit_code(error, code, capsys):
    assert failures.exit_code(error) == code
    assert failures.tell(error, []) == code


def test_no_error_of_the_tree_was_forgotten():
    def below(kind: type) -> set[type]:
        return {kind, *(each for sub in kind.__subclasses__() for each in below(sub))}

    public = {kind for kind in below(errors.AuthError) if not kind.__name__.startswith("_")}

    assert public - {type(error) for error, _ in MADE} <= {
        kind for kind in public if kind.__module__ != "arcrun_auth.errors"
    }


def test_the_hint_stands_on_a_line_of_its_own(capsys):
    failures.tell(errors.LoginRequired("notion is not connected.", service="notion"), [])

    shown = capsys.readouterr()
    assert shown.err.splitlines() == [
        "✗ notion is not connected.", "  → arcrun setup notion",
    ]  # fmt: skip
    assert shown.out == ""


def test_with_json_the_error_is_an_object_on_stdout_too(capsys):
    error = errors.UnknownService("notoin", similar=["notion"])

    code = failures.tell(error, ["show", "notoin", "--json"])

    found = json.loads(capsys.readouterr().out)
    assert code == 2
    assert found == {
        "schema": 1,
        "error": {
            "type": "UnknownService",
            "message": error.message,
            "hint": "arcrun show notion",
            "service": "notoin",
            "similar": ["notion"],
        },
    }


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("setup notoin", "arcrun setup notion"),
        ("token notoin@work", "arcrun token notion@work"),
        ("recipes test notoin --json", "arcrun recipes test notion"),
        ("why --json notoin", "arcrun why notion"),
        ("run --env T=arcrun://notoin/token -- notoin", "arcrun setup notion"),
        ("", "arcrun setup notion"),
    ],
)
def test_a_name_that_is_almost_right_is_put_right_in_what_was_typed(capsys, typed, hint):
    error = errors.UnknownService("notoin", similar=["notion"])

    failures.tell(error, typed.split())

    assert capsys.readouterr().err.splitlines()[-1] == f"  → {hint}"


def test_a_name_that_nobody_knows_is_looked_for_in_the_list(capsys):
    failures.tell(errors.UnknownService("notoin"), ["show", "notoin"])
    assert capsys.readouterr().err.endswith("→ arcrun list --all\n")


def test_an_unexpected_error_shows_neither_its_text_nor_a_traceback(capsys, monkeypatch):
    monkeypatch.delenv("ARCRUN_DEBUG", raising=False)

    code = failures.tell(RuntimeError("Bearer abc"), [])

    shown = capsys.readouterr().err
    assert code == 1
    assert "RuntimeError" in shown
    assert "arcrun doctor" in shown
    assert "abc" not in shown
    assert "Traceback" not in shown


def test_even_a_debugging_traceback_has_no_values(capsys, monkeypatch):
    monkeypatch.setenv("ARCRUN_DEBUG", "1")
    secret = "Bearer abc"
    try:
        int(secret)
    except ValueError as error:
        failures.tell(error, [])

    shown = capsys.readouterr().err
    assert "test_errors.py:" in shown
    assert "abc" not in shown


def test_a_fault_of_click_is_a_sentence_with_a_way_on(capsys):
    context = click.Context(click.Command("token"), info_name="arcrun token")

    code = failures.tell(click.UsageError("Missing argument 'NAME'", ctx=context), [])

    assert code == 2
    assert capsys.readouterr().err == "✗ Missing argument 'NAME'.\n  → arcrun token --help\n"


def test_a_closed_pipe_is_no_news(cli):
    done = subprocess.Popen(
        [*COMMAND, "recipes", "list", "--json"], env=cli.env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert done.stdout is not None
    done.stdout.close()
    _, said = done.communicate(timeout=60)

    assert said == b""
    assert done.returncode == 1


@pytest.mark.parametrize(
    "args",
    [
        ("setup", "notion", "SECRET"),
        ("setup", "notion", "--token", "SECRET"),
        ("setup", "notion", "--api-key=SECRET"),
        ("setup", "notion", "--SECRET"),
        ("setup", "SECRET"),
        ("token", "SECRET"),
        ("show", "notion", "SECRET"),
        ("SECRET",),
        ("vault", "SECRET"),
        ("list", "notion", "SECRET"),
        ("setup", "notion", "--param", "SECRET"),
    ],
)
def test_what_stands_in_the_wrong_place_is_not_repeated(cli, args):
    for secret in (canary.fresh(), "ntn_" + "a1b2c3" * 6):
        ran = cli(*(arg.replace("SECRET", secret) for arg in args))

        assert ran.code == 2, ran.err
        assert secret not in ran.both
        assert secret.lower() not in ran.both
        assert "  → " in ran.err
        assert not (cli.home / "secrets.db").exists()


@pytest.mark.parametrize("args", [("ntn_x",), ("--token", "x"), ("--api-key=x",)])
def test_a_secret_on_the_command_line_is_refused_and_explained(cli, args):
    ran = cli("setup", "notion", *args)

    assert ran.code == 2
    assert "does not belong on the command line" in ran.err
    assert "arcrun setup notion asks for it hidden" in ran.err
    assert "--stdin" in ran.err
    assert "history" in ran.err


def test_several_services_are_no_secrets_and_are_set_up_one_by_one(inside):
    ran = inside("setup", "notion", "gdrive@work")

    assert ran.code == 2
    assert "One service is set up at a time." in ran.err
    assert "→ arcrun setup notion; arcrun setup gdrive@work; without a name" in ran.err
    for other in ("slack@No", "ntn_x"):
        assert "does not belong on the command line" in inside("setup", "notion", other).err


def test_of_several_ends_what_may_pass_hides_nothing_that_needs_a_person():
    assert failures.worst([]) == failures.worst([0, 0]) == 0
    assert failures.worst([0, 6]) == 6
    for code in failures.EXIT_CODES.keys() - {0, 6, failures.INTERRUPTED}:
        assert failures.worst([0, 6, code, 6]) == code
