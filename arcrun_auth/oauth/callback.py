"""What the provider sends the browser back with: a code, or an error. Pure.

Whoever can reach the callback can send anything to it, so nothing of an answer is believed
before its state, and nothing is shown before its issuer.
"""

from __future__ import annotations

import hmac
from urllib.parse import parse_qs

from arcrun_auth import diagnosis
from arcrun_auth.errors import LoginFailed, printable
from arcrun_auth.tokens import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth import recipe
    from arcrun_auth.recipe import Diagnosis

# How many parameters of a callback do we read? Providers send five or so.
MAX_FIELDS = 50
# How long may one be that the recipe wants kept?
MAX_KEPT = 2048


def is_answer(callback: str, *, state: str) -> bool:
    """Whether a callback answers this login: it carries our state, exactly once."""
    given = _fields(callback).get("state", [])
    return len(given) == 1 and _same(given[0], state)


def read_callback(
    callback: str,
    *,
    state: str,
    issuer: str = "",
    iss_required: bool = False,
    parameters: recipe.Callback | None = None,
    rules: Sequence[Diagnosis] = (),
    service: str | None = None,
) -> tuple[Secret, dict[str, str]]:
    """The authorization code in a callback (the whole redirected URL, or only its query), and
    the parameters that the recipe wants kept: those are untrusted.

    `iss_required` where the provider has said that its redirects name the issuer.

    Raises LoginFailed: for a state that is not ours, an issuer that is not the recipe's, or
    what the provider answered instead of a code (RFC 6749 §4.1.2.1).
    """
    if not is_answer(callback, state=state):
        raise LoginFailed(
            "This answer does not belong to the login that is waiting (its state differs).",
            service=service,
            hint=_again(service),
        )
    given = _fields(callback)
    # RFC 9207 §2.4: by plain string comparison, on errors too, and before anything else of
    # the answer is believed or shown.
    if issuer and given.get("iss", [] if iss_required else [issuer]) != [issuer]:
        raise LoginFailed(
            "The answer comes from another authorization server than the recipe names. "
            "Nothing was sent to it.",
            service=service,
            hint="Do not log in again from the same page; check where its link came from.",
            error="issuer_mismatch",
        )
    # RFC 6749 §3.1: a parameter that stands there twice is none.
    fields = {name: values[0] for name, values in given.items() if len(values) == 1}
    if "error" in fields:
        raise _refused(fields, rules, service)
    code = fields.get(parameters.code if parameters is not None else "code")
    if not code:
        raise LoginFailed(
            "The provider's answer holds neither a code nor an error.",
            service=service,
            hint=_again(service),
        )
    keep = parameters.keep if parameters is not None else ()
    return Secret(code), {name: fields[name][:MAX_KEPT] for name in keep if name in fields}


def _fields(callback: str) -> dict[str, list[str]]:
    """A callback's parameters; none at all where there are absurdly many."""
    before, mark, after = callback.partition("#")[0].partition("?")
    query = after if mark else before
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return {}


def _same(one: str, other: str) -> bool:
    """Equality in constant time, of any two texts."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def _again(service: str | None) -> str:
    return f"arcrun setup {service}" if service else "Log in again."


def _refused(
    fields: Mapping[str, str], rules: Sequence[Diagnosis], service: str | None
) -> LoginFailed:
    """What the provider said instead of a code, with what to do about it."""
    error, description = fields["error"], fields.get("error_description")
    then = ""
    if error == "access_denied":
        text = "The login was cancelled, or access was refused"
    elif error in ("server_error", "temporarily_unavailable"):
        text, then = f"The provider could not do it now ({error})", " Try again in a few minutes."
    else:
        text = f"The provider refused the login ({printable(error, 80)})"
    meant = diagnosis.find(rules, error=error, text=description or "")
    if meant is not None:
        then = f" {meant.say}"
    if description:
        text += f": {printable(description).rstrip('. ')}"
    return LoginFailed(
        f"{text}.{then}",
        service=service,
        hint=(meant and meant.do) or _again(service),
        error=error,
        description=description,
        uri=fields.get("error_uri"),
        meaning=meant.say if meant is not None else None,
    )
