"""What ends when, and what has to be done before: rules about grants, keys and apps. Pure.

A login ends of idleness (Refresh.idle_s), of age (Refresh.lifetime_s, or what the answer
said), or because nobody renewed a live token in time (the mode `exchange`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from arcrun_auth.recipe.oauth2 import Refresh
    from arcrun_auth.tokens import Credential, Grant

DAY = 86400.0

IDLE_SHARE = 0.25
"""After which share of its idle limit is a grant renewed? A few missed days must not matter."""

LAST_DAYS = 3.0
"""With how many days left is what can be put off put off?"""

LAST_SHARE = 0.2
"""Or with which share of its life left?"""

UNKNOWN_DAYS = 7.0
"""How old may the last renewal be where the provider's limits are not known?"""

KEY_DAYS, APP_DAYS, LOGIN_DAYS = 14.0, 30.0, 7.0
"""How many days before the end of a key, an app's secret and a login do we warn?"""

OLD_DAYS = 365.0
"""After how many days is a key that has no end worth a thought?"""

IDLE_WARNING = 0.5
"""After which share of its idle limit do we warn?"""

COPIED = "copied"
"""What a grant is dead of whose refresh token another home uses, which this one is a copy of."""

ARROW = " → "
"""What stands in a warning before the command to type."""


def ended(grant: Grant, now: float) -> bool:
    """Whether only a person can bring it back to life."""
    over = grant.refresh_expires is not None and grant.refresh_expires <= now
    return bool(grant.dead) or over


def end_of(dead: str) -> str:
    """Why a grant is dead, in words that follow the name of a connection."""
    if dead == COPIED:
        return "this login belongs to the home that this one is a copy of"
    return "the provider has ended this login"


def absence(grant: Grant | None) -> str:
    """Why a connection cannot be used that has this grant, in words that follow its name."""
    if grant is None:
        return " is not connected"
    return f": {end_of(grant.dead)}" if grant.dead else ": the login is not complete"


def can_renew(grant: Grant, refresh: Refresh, now: float) -> bool:
    """Whether a new token can still be had without a person."""
    if refresh.mode == "no" or ended(grant, now):
        return False
    if refresh.mode == "exchange":
        return grant.expires is None or grant.expires > now
    return refresh.mode == "reissue" or grant.refresh_token is not None


def can_extend(grant: Grant, refresh: Refresh, now: float) -> bool:
    """Whether a renewal puts the end of the login off: by its use, or by a new refresh token."""
    puts_off = refresh.rotates != "no" or refresh.idle_s is not None
    return can_renew(grant, refresh, now) and (puts_off or refresh.mode != "yes")


def due(grant: Grant, refresh: Refresh, now: float) -> bool:
    """Whether keeping it alive takes a renewal now."""
    # What is issued anew each time has nothing that could end of idleness.
    if refresh.mode == "reissue" or not can_renew(grant, refresh, now):
        return False
    if refresh.mode == "exchange":
        return _near(grant.issued, grant.expires, now)
    age = now - grant.issued
    if refresh.idle_s is not None and age >= refresh.idle_s * IDLE_SHARE:
        return True
    if grant.refresh_expires is not None:
        extends = can_extend(grant, refresh, now)
        return extends and _near(grant.issued, grant.refresh_expires, now)
    return refresh.idle_s is None and age > UNKNOWN_DAYS * DAY


def _near(start: float, end: float | None, now: float) -> bool:
    if end is None:
        return False
    return end - now < max(LAST_DAYS * DAY, (end - start) * LAST_SHARE)


def soon(record: Credential, now: float) -> bool:
    """Whether there may be something to warn of, as far as the record alone can tell."""
    grant = record.grant
    if record.ends is not None and record.ends - now < KEY_DAYS * DAY:
        return True
    if grant is None or grant.refresh_expires is None:
        return False
    if grant.expires is not None and grant.expires <= now:
        return True
    left = grant.refresh_expires - now
    life = grant.refresh_expires - grant.issued
    return left < max(LOGIN_DAYS * DAY, life * (1 - IDLE_WARNING))


def warnings(
    record: Credential,
    refresh: Refresh | None,
    app_ends: float | None,
    *,
    name: str,
    now: float,
    registers: bool = False,
) -> tuple[str, ...]:
    """What will end, or has, and after the arrow the command to type. Nothing secret.

    `refresh` is the recipe's word on renewal, for a login; `app_ends` is when the secret of
    the OAuth app ends, which `registers` itself anew at a login once it has; `name` is the
    connection as it is typed.
    """
    grant = record.grant
    found = []
    if record.ends is not None and record.ends - now < KEY_DAYS * DAY:
        found.append(f"the key {_when(record.ends, now)}{ARROW}arcrun setup {name}")
    if _is_old(record, now):
        age = span(now - record.updated)
        found.append(f"the key has been the same for {age}{ARROW}arcrun setup {name}")
    if app_ends is not None and app_ends - now < (0 if registers else APP_DAYS * DAY):
        found.append(
            f"the client secret of your OAuth app {_when(app_ends, now)}"
            f"{ARROW}arcrun setup {name}" + ("" if registers else " --client-file FILE")
        )
    if grant is not None and refresh is not None and not grant.dead:
        found += _of_grant(grant, refresh, name, now)
    return tuple(found)


def _is_old(record: Credential, now: float) -> bool:
    """Whether a stored key without an end is an old one. What wrote the record last counts, since
    when a key was put in is not told apart from other changes: so it is told late, never early."""
    kept = bool(record.generation and record.secrets and record.updated)
    return (
        kept
        and record.grant is None
        and record.ends is None
        and now - record.updated > OLD_DAYS * DAY
    )


def _of_grant(grant: Grant, refresh: Refresh, name: str, now: float) -> list[str]:
    end, idle = grant.refresh_expires, refresh.idle_s
    if end is not None and end - now < LOGIN_DAYS * DAY and not can_extend(grant, refresh, now):
        return [f"the login {_when(end, now)}{ARROW}arcrun setup {name}"]
    unused = now - grant.issued
    if idle is not None and unused > idle * IDLE_WARNING and can_renew(grant, refresh, now):
        text = f"the login was not used for {span(unused)}, and ends unused after {span(idle)}"
        return [f"{text}{ARROW}arcrun keepalive"]
    return []


def _when(end: float, now: float) -> str:
    return f"ends in {span(end - now)}" if end > now else f"ended {span(now - end)} ago"


def span(seconds: float) -> str:
    """So long, in words: days, below one day hours, below one hour minutes.

    >>> span(90000), span(7200), span(59)
    ('1 day', '2 hours', '0 minutes')
    """
    for size, word in ((DAY, "day"), (3600.0, "hour"), (60.0, "minute")):
        if seconds >= size or word == "minute":
            number = int(seconds // size)
            break
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
