"""Every way to log in, as it reads at a terminal, with the exit code that it ends in."""

from __future__ import annotations

import io
import json
import re
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from arcrun_auth.testing import Provider
from tests.cli.conftest import plain
from tests.servers import free_port

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

SSH = {
    "SSH_CONNECTION": "203.0.113.9 51000 192.0.2.7 22",
    "SSH_TTY": "/dev/pts/9",
    "USER": "ada",
}
CONNECTED = "Connected as ada@example.com"

FOLLOWS = """\
#!{python}
import pathlib, sys
sys.path.insert(0, {root!r})
pathlib.Path({seen!r}).write_text(sys.argv[1])
from arcrun_auth.testing import Provider
Provider().follow(sys.argv[1], allow={allow})
"""


@pytest.fixture
def provider():
    with Provider(device_interval=0.2) as running:
        yield running


@pytest.fixture
def opened(served):
    """Where the browser of `desktop` writes what it was given."""
    return served.folder / "given" / "opened"


@pytest.fixture
def desktop(served, opened):
    """A graphical session whose browser logs in by itself; with `allow=False`, cancels."""

    def session(*, allow=True):
        script = served.folder / "given" / "browser"
        root = str(Path(__file__).parents[2])
        script.write_text(
            FOLLOWS.format(python=sys.executable, root=root, seen=str(opened), allow=allow)
        )
        script.chmod(0o700)
        return {"BROWSER": str(script), "DISPLAY": ":9"}

    return session


@pytest.fixture
def by_device(served, provider):
    """`gadget`: a service that has both, the browser and a code for another device."""
    recipe = yaml.safe_load(provider.recipe_yaml("gadget"))
    recipe["oauth2"]["grants"] = ["authorization_code", "device_code", "refresh_token"]
    recipe["oauth2"]["device_authorization_endpoint"] = f"{provider.issuer}/device"
    (served.home / "recipes" / "gadget.yaml").write_text(yaml.safe_dump(recipe))
    served.env["ARCRUN_GADGET_CLIENT_ID"] = "demo"
    return "gadget"


class Login:
    """`arcrun setup` at a terminal, agreed to, up to where it waits for somebody."""

    def __init__(self, cli, *args, columns=80, **env):
        self.child = cli.terminal("setup", *args, **env)
        self.child.setwinsize(24, columns)
        self._log = self.child.logfile_read = io.StringIO()
        self.child.expect_exact("Do you agree?")
        self.child.sendline("y")

    def address(self):
        self.child.expect(r"(http://127\.0\.0\.1:\d+/authorize\S*)\r\n")
        return self.child.match[1]

    def code(self):
        self.child.expect(r"and enter the code: (\S+)\r\n")
        return self.child.match[1]

    def reads(self, text):
        self.child.expect_exact(text)

    def types(self, line):
        self.child.sendline(line)

    def ended(self):
        """The exit code, and all that was on the screen, in one line."""
        import pexpect

        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.exitstatus, self.screen

    @property
    def screen(self):
        return re.sub(r"\s+", " ", plain(self._log.getvalue()))


def redirect_of(address):
    return parse_qs(urlsplit(address).query)["redirect_uri"][0]


def listens(url):
    where = urlsplit(url)
    try:
        socket.create_connection((where.hostname, where.port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def holds(cli, name):
    """What is stored under this name, as `arcrun why` tells it."""
    return json.loads(cli("why", name, "--json").out)["status"] == "connected"


# -- this machine ------------------------------------------------------------------------


def test_a_browser_on_this_machine_opens_by_itself(served, desktop, opened):
    login = Login(served, "demo", **desktop())
    code, screen = login.ended()
    assert code == 0, screen
    assert "To connect Demo, open this address:" in screen
    assert CONNECTED in screen
    assert urlsplit(opened.read_text()).path == "/authorize"
    assert "ssh " not in screen


def test_no_browser_is_opened_where_none_is_wanted(served, provider, desktop, opened):
    login = Login(served, "demo", "--no-browser", **desktop())
    provider.follow(login.address())
    code, screen = login.ended()
    assert code == 0, screen
    assert CONNECTED in screen
    assert not opened.exists()


def test_the_address_of_another_browser_is_pasted(served, provider, desktop, opened):
    login = Login(served, "demo", "--paste", **desktop())
    address = login.address()
    assert not listens(redirect_of(address))
    login.reads("Copy the whole address")
    login.types("http://127.0.0.1/callback?code=x&state=y")
    login.reads("That is not the address of this login.")
    login.types(provider.redirected(address))
    code, screen = login.ended()
    assert code == 0, screen
    assert CONNECTED in screen
    assert not opened.exists()


def test_the_port_is_the_one_that_was_asked_for(served, provider):
    port = free_port()
    login = Login(served, "demo", "--no-browser", "--port", str(port))
    address = login.address()
    assert redirect_of(address) == f"http://127.0.0.1:{port}/callback"
    provider.follow(address)
    assert login.ended()[0] == 0


def test_a_port_that_is_taken_is_named(served):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        login = Login(served, "demo", "--port", str(port))
        code, screen = login.ended()
    assert code == 5
    assert str(port) in screen
    assert "→ arcrun setup demo" in screen


# -- another device ----------------------------------------------------------------------


def test_a_code_is_typed_on_another_device(served, provider, by_device, desktop, opened):
    login = Login(served, by_device, "--device", **desktop())
    provider.approve(login.code())
    code, screen = login.ended()
    assert code == 0, screen
    assert f"go to this address on any device: {provider.issuer}/activate" in screen
    assert CONNECTED in screen
    assert "open this address" not in screen
    assert not opened.exists()


def test_a_code_that_is_turned_down(served, provider, by_device):
    login = Login(served, by_device, "--device")
    provider.approve(login.code(), allow=False)
    code, screen = login.ended()
    assert code == 5
    assert "The login was cancelled" in screen
    assert screen.endswith("→ arcrun setup gadget ")


def test_a_service_without_codes_says_what_to_do_instead(served):
    code, screen = Login(served, "demo", "--device").ended()
    assert code == 1
    assert "Demo has no login by a code for another device." in screen
    assert "→ arcrun setup demo --no-browser" in screen


@pytest.mark.parametrize(("columns", "drawn"), [(80, True), (36, False)])
def test_the_code_is_a_picture_where_there_is_room(served, provider, by_device, columns, drawn):
    pytest.importorskip("segno")
    login = Login(served, by_device, "--device", columns=columns)
    provider.approve(login.code())
    code, screen = login.ended()
    assert code == 0, screen
    assert ("█" * 30 in screen) is drawn


# -- another machine ---------------------------------------------------------------------


def over_ssh(served, by_device):
    """A login there, with what may lead a browser back."""
    login = Login(served, by_device, **SSH)
    code, address = login.code(), login.address()
    port = urlsplit(redirect_of(address)).port
    login.reads("Or run this where the browser is")
    login.child.expect(r"ssh -N -L (\d+):127\.0\.0\.1:(\d+) ada@192\.0\.2\.7")
    assert login.child.match.groups() == (str(port), str(port))
    return login, code, address


def test_over_ssh_the_tunnel_that_is_shown_leads_back(served, provider, by_device):
    login, _, address = over_ssh(served, by_device)
    provider.follow(address)
    code, screen = login.ended()
    assert code == 0, screen
    assert CONNECTED in screen


def test_over_ssh_the_code_may_come_first(served, provider, by_device):
    login, code, address = over_ssh(served, by_device)
    provider.approve(code)
    status, screen = login.ended()
    assert status == 0, screen
    assert CONNECTED in screen
    assert not listens(redirect_of(address))


def test_over_ssh_what_opens_addresses_from_there_is_used_beside_the_other_ways(
    served, by_device, desktop, opened
):
    login = Login(served, by_device, **SSH, BROWSER=desktop()["BROWSER"])
    code, screen = login.ended()
    assert code == 0, screen
    assert urlsplit(opened.read_text()).path == "/authorize"
    assert "and enter the code" in screen
    assert "ssh -N -L" in screen


def test_over_ssh_the_pasted_address_may_come_first(served, provider, by_device):
    login, _, address = over_ssh(served, by_device)
    login.types(provider.redirected(address))
    code, screen = login.ended()
    assert code == 0, screen
    assert CONNECTED in screen
    assert "Or open this address:" in screen


def test_over_ssh_on_another_port_the_tunnel_names_it(served, provider):
    login = Login(served, "demo", **SSH | {"SSH_CONNECTION": "203.0.113.9 5 192.0.2.7 2222"})
    provider.follow(login.address())
    code, screen = login.ended()
    assert code == 0, screen
    assert "-p 2222 ada@192.0.2.7" in screen


def test_without_any_display_the_address_is_shown(served, provider):
    login = Login(served, "demo")
    address = login.address()
    login.reads("paste it")
    login.types(provider.redirected(address))
    code, screen = login.ended()
    assert code == 0, screen
    assert CONNECTED in screen
    assert "ssh " not in screen
    assert "No browser" not in screen


@pytest.mark.parametrize("place", [{"CODESPACES": "true"}, {"container": "podman", "DISPLAY": ""}])
def test_in_a_container_the_browser_is_elsewhere(served, provider, by_device, place):
    login = Login(served, by_device, **place)
    provider.approve(login.code())
    code, screen = login.ended()
    assert code == 0, screen
    assert "ssh " not in screen


def test_in_a_development_container_the_editor_brings_the_port(served, desktop, opened):
    browser = {"BROWSER": desktop()["BROWSER"]}
    code, screen = Login(served, "demo", REMOTE_CONTAINERS="true", **browser).ended()
    assert code == 0, screen
    assert CONNECTED in screen
    assert opened.exists()


# -- nobody ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command", [["setup", "google_drive"], ["setup", "demo", "--force"], ["token", "google_drive"]]
)
def test_in_ci_it_ends_at_once_with_the_command_to_run(connected, provider, desktop, command):
    import pexpect

    before = len(provider.authorizations)
    child = connected.terminal(*command, CI="true", **desktop())
    child.expect(pexpect.EOF)
    child.close()
    screen = plain(child.before)
    assert child.exitstatus == 4, screen
    assert f"→ arcrun setup {command[1]}" in screen
    assert len(provider.authorizations) == before


def test_in_an_agent_s_shell_the_browser_opens_and_nothing_is_asked(connected, desktop, opened):
    ran = connected("setup", "demo", "--force", CLAUDECODE="1", **desktop())
    assert ran.code == 0, ran.err
    assert urlsplit(opened.read_text()).path == "/authorize"
    assert CONNECTED in ran.err
    assert "paste" not in ran.err
    assert ran.out == ""


# -- how it may end ----------------------------------------------------------------------


def test_ctrl_c_leaves_nothing_behind(served, by_device):
    login = Login(served, by_device)
    redirect = redirect_of(login.address())
    assert listens(redirect)
    login.child.sendintr()
    code, screen = login.ended()
    assert code == 130
    assert "Interrupted" in screen
    assert "Traceback" not in screen
    assert not listens(redirect)
    assert not holds(served, by_device)


def test_a_tab_that_was_closed_ends_with_what_to_do(served):
    login = Login(served, "demo", ARCRUN_LOGIN_TIMEOUT="1")
    redirect = redirect_of(login.address())
    code, screen = login.ended()
    assert code == 5
    assert "Nobody finished the login to Demo (limit: 1 s)." in screen
    assert "register this one: http://127.0.0.1/callback" in screen
    assert screen.endswith("→ arcrun setup demo ")
    assert not listens(redirect)
    assert not holds(served, "demo")


def test_a_login_that_is_cancelled_there_ends_with_what_to_do(served, desktop):
    code, screen = Login(served, "demo", **desktop(allow=False)).ended()
    assert code == 5
    assert "The login was cancelled, or access was refused" in screen
    assert screen.endswith("→ arcrun setup demo ")
    assert not holds(served, "demo")
