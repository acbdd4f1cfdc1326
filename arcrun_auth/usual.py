"""What errors mean at most services, said with what the recipe knows of this one. Pure.

The recipe's own rules come first (`diagnosis`), so it has rules only for what it knows better.
None of these says what to do: that stays the command which the place of the error hints at.
"""

from __future__ import annotations

from arcrun_auth.errors import printable
from arcrun_auth.lifetimes import span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.recipe import Diagnosis
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.oauth2 import ClientAuth, OAuth2, Refresh

_PLAN = "The plan of the account does not include this, or its credits are used up."
_QUOTA = "These were too many requests for now, or the quota of the plan is used up."
_CODE = "The code of this login has expired or was used before."
_SCOPE = "The app does not have one of the scopes that were asked for."


def of_api(way: Method) -> tuple[Diagnosis, ...]:
    """What an API's answers mean.

    >>> from arcrun_auth.recipe import Method, RequiredSecret
    >>> key = RequiredSecret(key="token", label="API token", help_url="https://acme.example/keys")
    >>> print(of_api(Method(primitive="static_key", required_secrets=(key,)))[0].say)
    The API token is mistyped, has expired or was withdrawn. Look at https://acme.example/keys
    """
    keys = [] if way.oauth2 is not None else [s for s in way.required_secrets if not s.optional]
    page = next((key.help_url for key in keys if key.help_url), "")
    dead, poor = ["The login has ended", "access was withdrawn"], "The login"
    if keys:
        labels = [printable(key.label or key.key, 80) for key in keys]
        which = f"The {labels[0]}" if len(keys) == 1 else f"One of these ({', '.join(labels)})"
        dead, poor = [f"{which} is mistyped", "has expired", "was withdrawn"], "The key"
    dead += [f"is not for this {label}" for label in _places(way)]
    return (
        _rule(_listed(dead) + _look(page), status=401),
        _rule(_PLAN, status=402),
        _rule(f"{poor} may lack the scope or the permission for this." + _look(page), status=403),
        _rule(_QUOTA, status=429),
    )


def of_server(way: Method, *, begins: bool = False) -> tuple[Diagnosis, ...]:
    """What an authorization server's errors mean (RFC 6749 §4.1.2.1, §5.2): while a login
    `begins`, or once there is one.

    >>> from arcrun_auth.recipe import Method, OAuth2, Refresh
    >>> refresh = Refresh(rotates="yes", idle_s=5184000)
    >>> server = OAuth2(authorization_endpoint="https://acme.example/login", refresh=refresh)
    >>> print(of_server(Method(primitive="oauth2", oauth2=server))[0].say)
    The login was unused for 60 days, was withdrawn or was renewed from another place.
    """
    if way.oauth2 is None:
        return ()
    return tuple(_of_server(way.oauth2, _look(way.app_register_url), begins=begins))


def _of_server(oauth2: OAuth2, look: str, *, begins: bool) -> Iterator[Diagnosis]:
    if oauth2.login_at:
        yield _rule(_CODE if begins else _listed(_ends(oauth2.refresh)), error="invalid_grant")
    yield _rule(
        f"The client ID of your own OAuth app is wrong, or {_unproven(oauth2.client)}.{look}",
        error="invalid_client|unauthorized_client",
    )
    yield _rule(_SCOPE + look, error="invalid_scope")


def _unproven(client: ClientAuth) -> str:
    """What else of an app is refused, beside its id."""
    if client.auth not in ("post", "basic", "none"):
        return "what proves it is"
    if client.auth == "none" or not client.secret_required:
        return "the app has a secret not given here"
    return "the secret is"


def _ends(refresh: Refresh) -> list[str]:
    """Why a login is over, as far as the recipe says how long one lives."""
    unused = [f"was unused for {span(refresh.idle_s)}"] if refresh.idle_s else []
    old = [f"is {span(refresh.lifetime_s)} old"] if refresh.lifetime_s else []
    # A refresh token that was used elsewhere is no longer the one that is held here.
    elsewhere = ["was renewed from another place"] if refresh.rotates == "yes" else []
    reasons = [*unused, *old, "was withdrawn", *elsewhere]
    return [f"The login {reasons[0]}", *reasons[1:]]


def _places(way: Method) -> list[str]:
    """What the user said of where the account is: a region, a site."""
    params = way.params.items()
    return [printable(param.label or name, 80) for name, param in params if param.source == "user"]


def _look(page: str) -> str:
    return f" Look at {printable(page)}" if page else ""


def _listed(reasons: Sequence[str]) -> str:
    *most, last = reasons
    return f"{', '.join(most)} or {last}." if most else f"{last}."


def _rule(say: str, *, status: int | None = None, error: str = "") -> Diagnosis:
    from arcrun_auth.recipe import Diagnosis, When

    return Diagnosis(when=When(status=status, error=error), say=say)
