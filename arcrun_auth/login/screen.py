"""What a person sees of a login, and what comes back from them and from other devices.

The helpers run in threads, since each may never come back. They only leave messages; the
thread that logs in reads them by `pump`, and is the only one that speaks.
"""

from __future__ import annotations

import queue
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from arcrun_auth import threads
from arcrun_auth.browser import why_not_opened
from arcrun_auth.errors import AuthError, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from arcrun_auth.login.code import CodeLogin
    from arcrun_auth.login.device import DeviceLogin
    from arcrun_auth.login.plan import LoginPlan, Ways
    from arcrun_auth.tokens import Grant

MAX_PASTES = 20
"""How many wrong lines do we read before we stop asking for the address?"""

_PASTE_TOO = (
    "If the browser is on another machine: log in there, copy the address of the page that "
    "cannot be reached at the end, and paste it here."
)
_PASTE_ONLY = (
    "At the end the browser cannot reach the page. Copy the whole address of that page and "
    "paste it here."
)
_NOT_IT = "That is not the address of this login. It has code= and state= in it; copy all of it."


class Dialogue:
    """How a login talks to the person: each may be called from the thread that logs in only,
    but `paste`, which runs in a daemon thread and is left behind when another way wins."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        show: Callable[[str, str], None] | None = None,
        open_url: Callable[[str], object],
        paste: Callable[[], str | None] | None = None,
        picture: Callable[[str], list[str] | None] | None = None,
    ) -> None:
        self.say = say
        self.show = show or (lambda url, _: say(url))
        """An address, and what it is called."""
        self.open_url = open_url
        self.paste = paste
        self.picture = picture or (lambda _: None)
        """An address as a QR code, by lines; None where that cannot be shown."""


class Screen:
    """One login on show: `outcome` is what ended it, once `pump` has said so."""

    def __init__(
        self,
        plan: LoginPlan,
        ways: Ways,
        person: Dialogue,
        *,
        code: CodeLogin | None,
        device: DeviceLogin | None,
    ) -> None:
        self.plan = plan
        self.ways = ways
        self.person = person
        self.code = code
        self.device = device
        self.outcome: str | Grant | AuthError | None = None
        """The pasted address, the grant by another device, or why that way ended all."""
        self.idle = threading.Event()
        """Nobody pastes any more: the true address came, or nobody can type."""
        self.polled = threading.Event()
        """No device is asked about any more."""
        self._messages: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
        self._stopped = threading.Event()

    def start(self) -> None:
        relay = self.plan.relay
        for notice in (*self.plan.oauth2.notices, *((relay.notice,) if relay else ())):
            self.person.say(notice)
        if self.device is not None:
            self._show_device(self.device)
        if self.code is not None:
            self._show_address(self.code)
        if self.ways.paste and self.code is not None and self.person.paste is not None:
            threads.start(self._ask, "arcrun-paste")
        else:
            self.idle.set()
        if self.ways.browser and self.code is not None:
            threads.start(self._open, "arcrun-browser")
        if self.device is not None:
            threads.start(self._poll, "arcrun-device")
        else:
            self.polled.set()

    def stop(self) -> None:
        """Ask for nothing more; what the helpers still say is not heard."""
        self._stopped.set()

    def pump(self) -> bool:
        """Pass on what the helpers have to say; whether one of them has ended the login."""
        while self.outcome is None and not self._messages.empty():
            kind, what = self._messages.get()
            if kind == "say":
                self.person.say(str(what))
            else:
                self.outcome = what  # type: ignore[assignment]  # as it was put
        return self.outcome is not None

    def wait(self, seconds: float) -> bool:
        """For the helpers only; True when none of them can bring anything more."""
        time.sleep(seconds)  # Ctrl-C amid Event.wait may come out as a RuntimeError
        return self.idle.is_set() and self.polled.is_set()

    # -- what is shown ---------------------------------------------------------------

    def _show_device(self, device: DeviceLogin) -> None:
        person, code = self.person, device.code
        person.say(f"To connect {self.plan.title}, go to this address on any device:")
        person.show(code.uri, "Enter the code")
        person.say(f"and enter the code: {code.user_code}")
        for line in person.picture(code.complete_uri or code.uri) or ():
            person.say(line)

    def _show_address(self, code: CodeLogin) -> None:
        person = self.person
        start = "Or open" if self.device is not None else f"To connect {self.plan.title}, open"
        person.say(f"{start} this address:")
        person.show(printable(code.url, len(code.url) + 1), f"Log in to {self.plan.title}")
        if self.ways.paste and person.paste is not None:
            person.say(_PASTE_TOO if code.loopback is not None else _PASTE_ONLY)
        if self.ways.tunnel is not None and code.loopback is not None:
            command = self.ways.tunnel(code.loopback.port)
            if command:
                person.say("Or run this where the browser is, before you log in:")
                person.say(command)  # a line of its own, to be copied

    # -- the helpers -----------------------------------------------------------------

    def _open(self) -> None:
        assert self.code is not None
        failed = why_not_opened(self.person.open_url, self.code.url)
        if failed:
            self._messages.put(("say", f"No browser was opened here ({failed})."))

    def _poll(self) -> None:
        assert self.device is not None
        try:
            grant = self.device.run(self._stopped)
            if grant is not None:
                self._messages.put(("ended", grant))
        except AuthError as error:
            said = getattr(error, "error", None)
            alone = self.code is None or said == "access_denied"
            self._messages.put(("ended", error) if alone else ("say", error.message))
        finally:
            self.polled.set()

    def _ask(self) -> None:
        with suppress(Exception):  # a closed terminal: nobody can type
            self._read_lines()
        self.idle.set()

    def _read_lines(self) -> None:
        assert self.person.paste is not None
        assert self.code is not None
        for _ in range(MAX_PASTES):
            line = self.person.paste()
            if line is None or self._stopped.is_set():
                return
            if self.code.is_ours(line.strip()):
                self._messages.put(("ended", line.strip()))
                return
            if line.strip():
                self._messages.put(("say", _NOT_IT))
