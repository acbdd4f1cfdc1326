"""`arcrun demo`: it holds, or it says what did not."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from arcrun_auth.errors import AuthError
from arcrun_auth.testing import Provider
from arcrun_cli import stage
from arcrun_cli.commands import demo


def test_it_runs_by_itself_without_terminal_browser_or_keyring(cli, tmp_path):
    folder = tmp_path / "temporary"
    folder.mkdir()

    ran = cli("demo", "--no-browser", TMPDIR=str(folder))

    assert ran.code == 0, ran.both
    for label, _ in stage.SCENES:
        assert f"✓ {label:<14}" in ran.out
    assert "I followed the page myself" in ran.out
    assert "200 answered, 1 renewal" in ran.out
    assert "0 found" in ran.out
    assert [line for line in ran.out.splitlines() if len(line) > 80] == []
    assert not cli.home.exists(), "the user's own home was touched"
    assert not os.listdir(folder)


def test_with_a_browser_a_person_logs_in_there(cli, tmp_path):
    browser = tmp_path / "given" / "browser"
    browser.write_text(
        f"#!{sys.executable}\nimport sys\n"
        f"sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from arcrun_auth.testing import Provider\nProvider().follow(sys.argv[1])\n"
    )
    browser.chmod(0o700)

    ran = cli("demo", BROWSER=str(browser))

    assert ran.code == 0, ran.both
    assert "(in the browser)" in ran.out


def test_a_claim_that_does_not_hold_ends_it_with_1(monkeypatch, capsys):
    def broken(_: stage.Stage) -> str:
        raise stage.DoesNotHold("the provider saw 3 renewals")

    scenes = (stage.SCENES[0], ("renew", broken), stage.SCENES[1])
    monkeypatch.setattr(stage, "SCENES", scenes)

    code = demo.command.main(["--no-browser"], standalone_mode=False)

    shown = capsys.readouterr().out
    assert code == 1
    assert "✗ renew         the provider saw 3 renewals" in shown
    assert "The demo failed at: renew" in shown
    assert "store" not in shown
    assert "clean up" not in shown


@pytest.mark.parametrize("holds", [False, None, 0, ""])
def test_a_claim_has_to_hold(holds):
    with pytest.raises(stage.DoesNotHold, match="otherwise"):
        stage.claim(holds, "otherwise")


def test_an_error_in_a_scene_is_a_claim_that_does_not_hold(monkeypatch, capsys):
    def broken(_: stage.Stage) -> str:
        raise AuthError("the vault is gone", hint="look for it")

    monkeypatch.setattr(stage, "SCENES", (("store", broken),))

    assert demo.command.main(["--no-browser"], standalone_mode=False) == 1
    assert "the vault is gone" in capsys.readouterr().out


def test_the_scenes_look_for_what_they_claim(cli, provider):
    """A scene that would pass whatever happens is no proof: each is given a broken world."""
    with Provider() as stranger:
        home = str(cli.folder / "stage")
        os.mkdir(home, 0o700)
        world = stage.Stage(home, provider, stranger, no_browser=True)
        try:
            with pytest.raises(stage.DoesNotHold, match="not in the vault"):
                stage.store(world)
            stage.log_in(world)
            stage.store(world)
            stage.bind(world)
            stranger.count("/api/echo")
            with pytest.raises(stage.DoesNotHold, match="saw 1 requests"):
                stage.foreign(world)
            given = Path(home) / "given"
            given.mkdir()
            (given / "leak").write_text(world.secrets[0])
            with pytest.raises(stage.DoesNotHold, match="lie in clear"):
                stage.at_rest(world)
            provider.authority.rotates = False
            provider.fail_next(1, 500)
            stage.expire(world)
            with pytest.raises((stage.DoesNotHold, AuthError)):
                stage.renew(world)
        finally:
            world.close()
