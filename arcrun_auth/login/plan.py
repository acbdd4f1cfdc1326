"""What a login needs to know before it begins, and which ways in it offers. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from arcrun_auth.errors import AuthError, LoginFailed, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Literal

    from arcrun_auth import recipe
    from arcrun_auth.oauth.app import App
    from arcrun_auth.oauth.call import TokenCall
    from arcrun_auth.tokens import Secret

    Wish = Literal["no_browser", "device", "paste"]
    """What the person asked for instead of what was found out."""
    Ownership = Literal["own", "shared", "managed"]
    """Whose OAuth app they want the login to use."""

    class Answer(Protocol):
        """What an endpoint said; header names are lower-case."""

        @property
        def status(self) -> int: ...
        @property
        def headers(self) -> Mapping[str, str]: ...
        @property
        def body(self) -> bytes: ...

    Send = Callable[[TokenCall], Answer]

    class Relay(Protocol):
        """A server whose OAuth app the login uses: it stands between us and the provider."""

        @property
        def notice(self) -> str: ...
        def start(self, challenge: str, port: int) -> tuple[str, str]:
            """The state of a login that ends at `port`, and the address to open."""

        def redeem(self, state: str, code: Secret, verifier: Secret) -> tuple[Answer, Secret]:
            """What the provider answered to the code, and what a renewal will need."""


@dataclass(frozen=True)
class LoginPlan:
    """Everything a login needs to know: the recipe's endpoints are rendered already.

    `params` fill the `{{param.x}}` that are left in the extra parameters of its requests.
    """

    service: str
    display_name: str
    oauth2: recipe.OAuth2
    app: App
    scopes: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[recipe.Diagnosis, ...] = ()
    iss_required: bool = False
    """Whether the provider's metadata say that its redirects carry `iss` (RFC 9207 §3)."""
    relay: Relay | None = None
    command: str = ""
    """The command that starts this login anew, if it is not `arcrun setup`."""

    @property
    def title(self) -> str:
        return printable(self.display_name, 80)

    @property
    def pasted(self) -> bool:
        """Whether the browser ends where nothing of ours listens: its address is pasted."""
        return bool(self.app.redirect_uri) or self.oauth2.redirect.policy == "https_only"

    @property
    def again(self) -> str:
        """The command that starts this login anew."""
        return self.command or f"arcrun setup {self.service}"

    @property
    def without_device(self) -> str:
        """The same by another way than a code for another device, where there is one."""
        return f"{self.again} --no-browser" if self.has_code else self.again

    @property
    def has_code(self) -> bool:
        return "authorization_code" in self.oauth2.grants and bool(
            self.oauth2.authorization_endpoint
        )

    @property
    def has_device(self) -> bool:
        return "device_code" in self.oauth2.grants and bool(
            self.oauth2.device_authorization_endpoint
        )


@dataclass(frozen=True)
class Ways:
    """The ways in that are offered at once; the first to succeed wins."""

    browser: bool = True
    """Open a browser here."""
    loopback: bool = True
    """Wait for the redirect on this machine."""
    paste: bool = True
    """Read the redirected address from whoever can type."""
    device: bool = False
    """Show a code for another device (RFC 8628)."""
    tunnel: Callable[[int], str | None] | None = None
    """The command that makes this machine's port reachable where the browser is."""

    @property
    def code(self) -> bool:
        return self.loopback or self.paste


def choose(
    plan: LoginPlan,
    *,
    can_paste: bool,
    can_open: bool,
    elsewhere: bool,
    wish: Wish | None = None,
    tunnel: Callable[[int], str | None] | None = None,
) -> Ways:
    """What to offer: `can_open` a browser from here; `elsewhere` the person's is on another
    machine, whatever is opened.

    Raises LoginFailed where nothing can work, AuthError for a wish that cannot be met.
    """
    loopback = plan.has_code and not plan.pasted and wish not in ("device", "paste")
    paste = plan.has_code and can_paste and wish != "device"
    browser = can_open and wish is None and (loopback or paste)
    ways = Ways(
        browser=browser,
        loopback=loopback,
        paste=paste,
        # Whoever sits at a browser needs no second way: it would only confuse.
        device=plan.has_device and wish != "paste" and (elsewhere or not browser),
        tunnel=tunnel if elsewhere else None,
    )
    if wish == "device" and not plan.has_device:
        raise AuthError(
            f"{plan.title} has no login by a code for another device.",
            service=plan.service,
            hint=plan.without_device,
        )
    if not ways.code and not ways.device:
        raise _nothing(plan)
    return ways


def _nothing(plan: LoginPlan) -> LoginFailed:
    where = (
        "sends the browser to an https address only, and nobody can paste here where that ends"
        if plan.pasted
        else "has no login that works here"
    )
    return LoginFailed(
        f"{plan.title} {where}. Log in from a terminal.", service=plan.service, hint=plan.again
    )
