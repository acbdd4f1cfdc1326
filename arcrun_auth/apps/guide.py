"""Through a provider's console, one step after the other, with what is to be pasted there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.browser import why_not_opened
from arcrun_auth.oauth import redirect_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from arcrun_auth.people import Person
    from arcrun_auth.recipe.model import GuideStep, Method

    OpenUrl = Callable[[str], object]


def redirects(way: Method, own: str = "") -> tuple[str, ...]:
    """The redirect URIs to register: one, or one for each port that a login may use; or the
    `own` address of the app's owner."""
    assert way.oauth2 is not None
    if own:
        return (own,)
    redirect = way.oauth2.redirect
    ports = redirect.ports if redirect.policy == "fixed_port" else ()
    return tuple(redirect_uri(redirect, port) for port in ports or (None,))


def exact(way: Method, own: str = "") -> tuple[str, ...]:
    """Those of them that hold as they stand; none where the port is chosen at the login."""
    assert way.oauth2 is not None
    free = way.oauth2.redirect.policy == "any_port" and not own
    return () if free else redirects(way, own)


def values(step: GuideStep, way: Method, scopes: Sequence[str], own: str = "") -> tuple[str, ...]:
    """What a step wants pasted, one value a line: consoles take them one by one.

    >>> from arcrun_auth.recipe.model import GuideStep, Method, OAuth2
    >>> values(GuideStep(text="", value="{{scopes}}"), Method(
    ...     primitive="oauth2", oauth2=OAuth2()), ["read", "write"])
    ('read', 'write')
    """
    assert way.oauth2 is not None
    lists = {"{{redirect_uri}}": redirects(way, own), "{{scopes}}": tuple(scopes)}
    whole = lists.get(step.value.strip())
    if whole is not None:
        return whole
    separators = {"{{redirect_uri}}": " ", "{{scopes}}": way.oauth2.scope_separator}
    text = step.value
    for name, each in lists.items():
        text = text.replace(name, separators[name].join(each))
    return (text,) if text else ()


def walk(
    way: Method,
    scopes: Sequence[str],
    person: Person,
    open_url: OpenUrl | None,
    *,
    own: str = "",
) -> None:
    """Every step in turn. At a terminal each waits until the person has done it.

    `open_url` is offered for the pages, until it fails; without one they are only shown. `own`
    is the redirect URI that the person has chosen.
    """
    steps = way.app_guide
    waits = person.reach == "terminal"
    for number, step in enumerate(steps, 1):
        person.say(f"\nStep {number} of {len(steps)}")
        person.say(f"  {step.text}")
        if step.url:
            person.say(f"  {step.url}")
        pasted = values(step, way, scopes, own)
        if pasted:
            # At the left edge with nothing around: so a line is copied as it is.
            person.say("\n".join(["", *pasted, ""]))
        if open_url is not None and waits and step.url and "{{" not in step.url:
            answer = person.ask("Enter opens this page, s skips the step")
            waits = answer is not None
            if answer is None or answer.strip().lower().startswith("s"):
                continue
            if not _opened(step.url, open_url, person):
                open_url = None
        if waits and number < len(steps):  # after the last one comes the question for what was made
            waits = person.ask("Enter when that is done") is not None
    if not steps and way.app_register_url:
        person.say(f"  {way.app_register_url}\n\nIts redirect URI:\n")
        person.say("\n".join([*redirects(way, own), ""]))


def _opened(url: str, open_url: OpenUrl, person: Person) -> bool:
    """Shows a page; where that does not work the person is told to do it."""
    failed = why_not_opened(open_url, url)
    if failed:
        person.say(f"The page could not be opened ({failed}): open it yourself.")
    return not failed
