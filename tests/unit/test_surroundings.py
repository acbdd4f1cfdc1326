"""Where a process runs, and whether the person's browser can reach it."""

from __future__ import annotations

import os
import sys
import types

import pytest

from arcrun_auth import markers, surroundings
from arcrun_auth.surroundings import Surroundings, is_wsl, look, unattended

SSH = {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.9 22", "USER": "ada"}


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    """No mark of this machine counts: its files are set by each test."""
    monkeypatch.setattr(surroundings, "_WSL_MARKS", ())
    monkeypatch.setattr(surroundings, "_CONTAINER_MARKS", ())


@pytest.fixture
def opener(tmp_path):
    """A PATH with a program that opens URLs."""
    program = tmp_path / "xdg-open"
    program.touch()
    program.chmod(0o755)
    return {"PATH": str(tmp_path)}


@pytest.fixture
def kernel(monkeypatch):
    shell = types.SimpleNamespace(kernel=types.SimpleNamespace(_allow_stdin=True))
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))


@pytest.mark.parametrize(
    ("environ", "alone"),
    [
        ({}, False),
        ({"CI": "true"}, True),
        ({"CI": "false"}, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, True),
        ({"SUPERVISOR_ENABLED": "1"}, True),
        ({"SYSTEMD_EXEC_PID": str(os.getpid())}, True),
        # Every shell of a desktop session descends from a unit: that alone says nothing.
        ({"SYSTEMD_EXEC_PID": "1", "INVOCATION_ID": "abc"}, False),
    ],
)
def test_what_runs_by_itself_is_known_by_its_environment(environ, alone) -> None:
    assert unattended(environ) is alone


@pytest.mark.parametrize(
    ("environ", "places"),
    [
        ({}, ()),
        (SSH, ("ssh",)),
        ({"SSH_TTY": "/dev/pts/1"}, ("ssh",)),
        ({"WSL_DISTRO_NAME": "Debian"}, ("wsl",)),
        ({"REMOTE_CONTAINERS": "true"}, ("devcontainer",)),
        ({"REMOTE_CONTAINERS": "false"}, ()),
        ({"CODESPACES": "true", "container": "docker"}, ("codespaces", "docker")),
        ({"container": "podman"}, ("docker",)),
        ({"container": "systemd-nspawn"}, ()),
        ({"CI": "1"}, ("ci",)),
        ({"COLAB_RELEASE_TAG": "release"}, ("colab",)),
        ({"CLAUDECODE": "1"}, ("agent",)),
        ({"SUPERVISOR_ENABLED": "1"}, ("service",)),
    ],
)
def test_a_place_is_known_by_its_variables(environ, places) -> None:
    assert look(environ, "linux").places == places


def test_a_place_is_known_by_its_files(tmp_path, monkeypatch) -> None:
    mark = tmp_path / "mark"
    monkeypatch.setattr(surroundings, "_WSL_MARKS", (str(tmp_path / "none"), str(mark)))
    monkeypatch.setattr(surroundings, "_CONTAINER_MARKS", (str(mark),))
    assert not is_wsl({})
    assert is_wsl({"WSL_INTEROP": "/run/x"})
    mark.touch()
    assert is_wsl({})
    assert look({}, "linux").places == ("wsl", "docker")
    assert look({}, "darwin").places == ()  # these are Linux's


def test_a_notebook_is_known_by_its_kernel(kernel) -> None:
    assert look({}, "linux").places == ("jupyter",)


@pytest.mark.parametrize(
    ("environ", "elsewhere"),
    [
        ({"DISPLAY": ":0"}, False),
        ({"WAYLAND_DISPLAY": "wayland-0"}, False),
        ({}, True),  # a console without a screen
        (SSH, True),
        (SSH | {"BROWSER": "xdg-open"}, True),  # it opens where nobody looks
        (SSH | {"DISPLAY": "localhost:10.0"}, False),  # ssh -X
        (SSH | {"BROWSER": "xdg-open", "VSCODE_IPC_HOOK_CLI": "/run/x"}, False),
        ({"container": "docker"}, True),
        ({"container": "docker", "BROWSER": "xdg-open"}, True),
        ({"container": "docker", "DISPLAY": ":0"}, False),
        ({"container": "docker", "REMOTE_CONTAINERS": "1"}, False),
        ({"CODESPACES": "true", "BROWSER": "xdg-open"}, True),
        ({"COLAB_RELEASE_TAG": "x", "DISPLAY": ":0"}, True),
        ({"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", "DISPLAY": ":0"}, True),
        ({"WSL_DISTRO_NAME": "Debian"}, False),
    ],
)
def test_whether_the_browser_is_elsewhere(opener, environ, elsewhere) -> None:
    assert look(opener | environ, "linux").elsewhere is elsewhere


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_over_ssh_the_screen_of_a_desktop_is_not_the_person_s(platform) -> None:
    assert look(SSH, platform).elsewhere
    assert look({}, "darwin") == Surroundings(browser=True)


@pytest.mark.parametrize(
    ("environ", "hint"),
    [
        (SSH, "ssh -N -L 8423:127.0.0.1:8423 ada@192.0.2.9"),
        (
            {"SSH_CONNECTION": "::1 5 2001:db8::9 2222", "LOGNAME": "ada"},
            "ssh -N -L 8423:127.0.0.1:8423 -p 2222 ada@2001:db8::9",
        ),
        (
            {"SSH_CONNECTION": "fe80::1%eth0 5 fe80::2%eth0 22", "USER": "ada.l"},
            "ssh -N -L 8423:127.0.0.1:8423 ada.l@fe80::2%eth0",
        ),
        ({}, None),
        ({"SSH_TTY": "/dev/pts/1", "USER": "ada"}, None),
        ({"SSH_CONNECTION": "192.0.2.1 5 192.0.2.9 22"}, None),
        # It is typed into a shell: nothing goes in there but a name and an address.
        (SSH | {"USER": "a;b"}, None),
        (SSH | {"USER": "-oProxyCommand=x"}, None),
        (SSH | {"SSH_CONNECTION": "1 2 $(x) 22"}, None),
        (SSH | {"SSH_CONNECTION": "1 2 192.0.2.9 22;x"}, None),
        (SSH | {"SSH_CONNECTION": "1 2 3"}, None),
    ],
)
def test_the_line_that_brings_the_browser_here(environ, hint) -> None:
    assert look(environ, "linux").ssh_hint(8423) == hint


def test_what_was_seen_does_not_change() -> None:
    with pytest.raises(AttributeError):
        look({}, "linux").browser = True


@pytest.mark.parametrize("name", markers.MARKERS)
def test_an_agent_says_that_it_is_one(name) -> None:
    assert markers.marker({name: "1"}) == name
    assert markers.marker({name: "0"}) is None
    assert markers.marker({"CODEX_HOME": "/home/ada/.codex"}) is None
