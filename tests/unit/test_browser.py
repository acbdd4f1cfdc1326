"""Opening a browser: what may be opened, with what, and what it may not see."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from arcrun_auth import browser, surroundings
from arcrun_auth.browser import NotOpened, Opened, available, open_url, why_unsafe
from tests.servers import GUARD
from tests.waiting import none_left, threads

URL = "https://id.example.com/authorize?client_id=a&scope=b%20c&state=x-_.~+"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="its programs are shell scripts")


class Machine:
    """A PATH of our own, whose programs write down how they were called."""

    def __init__(self, folder, monkeypatch):
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.log = folder / "log"
        self.environ = {"PATH": str(self.bin)}
        monkeypatch.setattr(surroundings, "_WSL_MARKS", ())
        # A program that has not ended by then counts as a browser: these end, however busy it is.
        monkeypatch.setattr(browser, "START_SECONDS", GUARD)

    def program(self, name, script="", *, code=0):
        path = self.bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written in one piece and then renamed, so that no half of it is ever read.
        path.write_text(
            "#!/bin/sh\n"
            f'{{ echo "{name}"; for a; do echo "$a"; done; {script} }} > \'{self.log}.part\'\n'
            f"/bin/mv '{self.log}.part' '{self.log}'\nexit {code}\n"
        )
        path.chmod(0o755)
        return str(path)

    @property
    def called(self):
        return self.log.read_text().splitlines() if self.log.exists() else None

    def open(self, platform="linux", url=URL, **environ):
        return open_url(url, environ=self.environ | environ, platform=platform)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    return Machine(tmp_path, monkeypatch)


class TestWhichUrls:
    @pytest.mark.parametrize(
        "url",
        [URL, "https://example.com", "http://127.0.0.1:8080/x?y=z", "http://localhost/",
         "http://[::1]:80/a", "https://example.com:8443/#frag"],
    )  # fmt: skip
    def test_https_and_http_on_this_machine_are_opened(self, url):
        assert why_unsafe(url) is None

    @pytest.mark.parametrize(
        "url",
        ["", "-incognito", "--remote-debugging-port=9222", " https://example.com",
         "file:///etc/passwd", "javascript:alert(1)", "data:text/html,x", "ftp://example.com/",
         "http://example.com/", "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
         "https://user:pw@example.com/", "HTTPS://example.com", "https://", "https:///x",
         "https://exam ple.com", "https://example.com/\n-x", "https://example.com/\x00",
         "https://example.com/\x1b[2J", "https://example.com/é", "https://example.com/'",
         'https://example.com/"', "https://example.com/`id`", "https://example.com/\\x",
         "https://example.com/<x>", "https://example.com/{x}", "https://example.com/|x",
         "https://example.com/^x", "https://example.com/%action", "https://example.com:x/",
         "https://[::1/", "https://example.com/" + "a" * 8000],
    )  # fmt: skip
    def test_no_program_gets_any_other(self, url, machine):
        machine.program("xdg-open")
        assert why_unsafe(url) is not None
        result = machine.open(url=url, DISPLAY=":0", BROWSER="xdg-open")
        assert isinstance(result, NotOpened)
        assert machine.called is None
        assert url not in result.reason or not url


class TestLinux:
    def test_the_desktops_own_opener_first(self, machine):
        machine.program("xdg-open")
        machine.program("firefox")
        assert machine.open(DISPLAY=":0") == Opened("xdg-open")
        assert machine.called == ["xdg-open", URL]

    def test_the_next_one_when_it_fails(self, machine):
        machine.program("xdg-open", code=3)
        machine.program("gio")
        assert machine.open(WAYLAND_DISPLAY="wayland-0") == Opened("gio")
        assert machine.called == ["gio", "open", URL]

    def test_why_nothing_was_opened(self, machine):
        assert machine.open() == NotOpened("there is no graphical session")
        machine.program("xdg-open", code=3)
        (machine.bin / "firefox").write_text("\x7fELF no program")
        (machine.bin / "firefox").chmod(0o755)
        result = machine.open(DISPLAY=":0")
        assert "xdg-open: exit status 3" in result.reason
        assert "firefox: could not be started" in result.reason

    def test_without_a_display_nothing_is_started(self, machine):
        machine.program("xdg-open")
        assert isinstance(machine.open(), NotOpened)
        assert machine.called is None

    def test_a_browser_that_stays_counts_as_opened(self, machine, monkeypatch):
        monkeypatch.setattr(browser, "START_SECONDS", 0.01)
        machine.program("xdg-open", f"read -r line < '{self._fifo(machine)}';")
        assert machine.open(DISPLAY=":0") == Opened("xdg-open")
        assert threads("arcrun-browser-wait")
        with (machine.bin / "fifo").open("w"):
            pass
        none_left("arcrun-browser-wait")

    @staticmethod
    def _fifo(machine):
        os.mkfifo(machine.bin / "fifo")
        return machine.bin / "fifo"


class TestTheVariable:
    def test_goes_first_and_takes_the_url_where_it_says(self, machine):
        machine.program("my browser")
        machine.program("xdg-open")
        command = f"'{machine.bin}/my browser' --new-window %s --x"
        assert machine.open(DISPLAY=":0", BROWSER=command) == Opened("my browser")
        assert machine.called == ["my browser", "--new-window", URL, "--x"]

    @pytest.mark.parametrize("command", ["one", "one &", "missing:one", "'open quote:one:"])
    def test_takes_it_at_the_end_otherwise_and_is_a_list(self, machine, command):
        machine.program("one")
        assert machine.open(BROWSER=command) == Opened("one")
        assert machine.called == ["one", URL]

    @pytest.mark.parametrize("name", sorted(browser.TEXT_BROWSERS))
    def test_never_starts_a_text_browser(self, machine, name):
        machine.program(name)
        environ = machine.environ | {"BROWSER": f"{name} %s:{machine.bin}/{name}"}
        assert not available(environ, "linux")
        assert isinstance(machine.open(BROWSER=environ["BROWSER"]), NotOpened)
        assert machine.called is None

    def test_the_url_reaches_no_shell(self, machine):
        url = "https://example.com/?a=$(id)&b=;c=*"
        machine.program("one")
        assert machine.open(BROWSER="one --url=%s", url=url) == Opened("one")
        assert machine.called == ["one", f"--url={url}"]


class TestOtherSystems:
    def test_windows_by_its_url_handler(self, machine):
        name = machine.program("Windows/System32/rundll32.exe")
        environ = {"SystemRoot": str(machine.bin / "Windows")}
        assert machine.open("win32", **environ) == Opened("rundll32.exe")
        assert machine.called[1:] == ["url.dll,FileProtocolHandler", URL]
        assert Path(name).exists()
        assert isinstance(machine.open("win32", SSH_CONNECTION="x", **environ), NotOpened)

    def test_windows_variable_is_separated_as_its_path_is(self, machine):
        machine.program("one")
        machine.program("C:browser")
        assert machine.open("win32", BROWSER="lynx;C:browser %s;one") == Opened("C:browser")

    def test_macos_open_is_called_by_its_full_path(self, monkeypatch):
        started = []
        monkeypatch.setattr(browser, "_run", lambda argv, environ: started.append(argv))
        assert open_url(URL, environ={}, platform="darwin") == Opened("open")
        over_ssh = open_url(URL, environ={"SSH_CONNECTION": "1 2 3 4"}, platform="darwin")
        assert over_ssh == NotOpened("there is no graphical session")
        assert started == [["/usr/bin/open", URL]]

    def test_wsl_by_wslview(self, machine):
        machine.program("wslview")
        machine.program("powershell.exe")
        assert machine.open(WSL_DISTRO_NAME="Debian") == Opened("wslview")
        assert machine.called == ["wslview", URL]

    def test_wsl_by_powershell_with_the_url_as_a_literal(self, machine):
        machine.program("powershell.exe")
        assert machine.open(WSL_DISTRO_NAME="Debian") == Opened("powershell.exe")
        assert machine.called[-2:] == ["-Command", f"Start-Process '{URL}'"]

    def test_wsl_by_rundll32_when_powershell_fails(self, machine):
        machine.program("powershell.exe", code=1)
        machine.program("rundll32.exe")
        assert machine.open(WSL_DISTRO_NAME="Debian") == Opened("rundll32.exe")
        assert machine.called == ["rundll32.exe", "url.dll,FileProtocolHandler", URL]


class TestAvailable:
    def test_looks_without_starting_anything(self, machine):
        machine.program("xdg-open")
        assert not available(machine.environ, "linux")
        assert available(machine.environ | {"DISPLAY": ":0"}, "linux")
        assert available(machine.environ | {"BROWSER": "xdg-open"}, "linux")
        assert not available(machine.environ | {"DISPLAY": ":0", "PATH": "/nowhere"}, "linux")
        assert available({}, "darwin")
        assert not available({"SSH_CONNECTION": "1 2 3 4"}, "darwin")
        assert machine.called is None


class TestTheChild:
    def test_sees_no_variable_of_ours(self, machine):
        machine.program("xdg-open", "/usr/bin/env;")
        secrets = {"ARCRUN_MASTER_KEY": "canary", "arcrun_notion_token": "canary", "HOME": "/h"}
        assert machine.open(DISPLAY=":0", **secrets) == Opened("xdg-open")
        text = "\n".join(machine.called)
        assert "canary" not in text
        assert "arcrun" not in text.lower()
        assert "HOME=/h" in text

    def test_has_no_terminal_and_no_open_file_of_ours(self, machine):
        if not Path("/proc/self/fd").exists():
            pytest.skip("only Linux shows the files of a process")
        machine.program("xdg-open", "/bin/ls -l /proc/$$/fd/0 /proc/$$/fd/2; /bin/ps -o sid= $$;")
        machine.open(DISPLAY=":0")
        assert [line.rpartition(" ")[2] for line in machine.called[2:4]] == ["/dev/null"] * 2
        assert int(machine.called[4]) != os.getsid(0)
