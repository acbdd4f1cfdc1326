"""The linter's rules on who owns what: a recipe's hosts, its pages and its base's belong together.

A bundled recipe had somebody look at that; of a stranger's, what is elsewhere is told.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from arcrun_auth.recipe.parts import urls
from arcrun_auth.recipe.rules import host_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from arcrun_auth.lint import Finding, Subject
    from arcrun_auth.recipe.reader import Place


def same_owner(subject: Subject) -> Iterator[Finding]:
    """A login on another domain than the API's is worth a look; bundled recipes had theirs."""
    if subject.tier == "bundled":
        return
    for at, way, _ in subject.ways():
        owner = registrable(host_of(way.base_url))
        for place, url in urls(way):
            if owner and registrable(host_of(url)) not in ("", owner):
                yield subject.finding(
                    "host-other", (*at, *place), f"This is not on {owner}, as base_url is.",
                    "Make sure that it belongs to the same vendor.", "warning",
                )  # fmt: skip


def same_pages(subject: Subject) -> Iterator[Finding]:
    """A page that shows how to get a key is the vendor's own, as the API or its documentation."""
    if subject.tier == "bundled":
        return
    recipe = subject.recipe
    for at, way, stated in subject.ways():
        owners = {registrable(host_of(url)) for url in (way.base_url, recipe.docs_url)} - {""}
        pages: list[tuple[Place, str]] = [
            ((name,), getattr(way, name))
            for name in ("setup_url", "app_register_url")
            if name in stated
        ]
        for index, secret in enumerate(way.required_secrets):
            pages.append((("required_secrets", index, "help_url"), secret.help_url))
        for index, step in enumerate(way.app_guide if "app_guide" in stated else ()):
            pages.append((("app_guide", index, "url"), step.url))
        for place, url in pages:
            page = registrable(host_of(url.partition("#")[0]))
            if page and owners and page not in owners:
                yield subject.finding(
                    "link-other", (*at, *place),
                    f"This page is not on {' or '.join(sorted(owners))}.",
                    "Make sure that it belongs to the same vendor.", "warning",
                )  # fmt: skip


def of_base(subject: Subject) -> Iterator[Finding]:
    """Who extends a base says nothing of hosts that its owner never thought of."""
    base = subject.base or {}
    stated = [*(base.get("allowed_hosts") or ()), host_of(str(base.get("base_url") or ""))]
    owners = {registrable(str(host)) for host in stated} - {""}
    for at, way, _ in subject.ways() if owners else ():
        for index, host in enumerate(way.allowed_hosts):
            if registrable(host) not in ("", *owners):
                field = "allowed_hosts" if "allowed_hosts" in subject.data else "base_url"
                place: Place = (field, index) if field == "allowed_hosts" else (field,)
                yield subject.finding(
                    "extends-hosts", (*at, *place),
                    f"{host} is not on {' or '.join(sorted(owners))}, as the hosts of "
                    f"{subject.recipe.extends} are.", "Leave it out, or extend no base.",
                    "warning" if subject.tier == "bundled" else "error",
                )  # fmt: skip


def registrable(host: str) -> str:
    """The domain that somebody registered; "" where no more than a placeholder is known."""
    name = host.rpartition("}}")[2].removeprefix("*").lstrip(".").partition(":")[0]
    return str(suffixes().privatesuffix(name) or "") if name else ""


@lru_cache(maxsize=1)
def suffixes() -> Any:
    """The list of public suffixes, ICANN's section of it."""
    from publicsuffixlist import PublicSuffixList

    return PublicSuffixList(only_icann=True)
