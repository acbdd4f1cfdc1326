"""The linter's rules on one recipe. Each is a function from a subject to findings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth import primitives
from arcrun_auth.hosts import is_public_name
from arcrun_auth.lint import agents, oauth, owners, scopes, texts
from arcrun_auth.recipe.parts import headers, hosts, signing_keys, templates, urls
from arcrun_auth.recipe.rules import host_of, spelled
from arcrun_auth.template import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from arcrun_auth.lint import Finding, Severity, Subject
    from arcrun_auth.recipe.model import Method, Param
    from arcrun_auth.recipe.reader import Place

    Rule = Callable[[Subject], Iterable[Finding]]

_PLACEHOLDER = re.compile(r"\{\{param\.([A-Za-z0-9_.-]+)\}\}")
_IN_TEXT = re.compile(r"[a-z][a-z0-9+.-]*://[^\s),]*", re.IGNORECASE)

# -- URLs and hosts --------------------------------------------------------------------


def https(subject: Subject) -> Iterator[Finding]:
    """Plain http, or a host that is not public: only the user may allow that."""
    severity: Severity = "error" if subject.tier == "bundled" else "warning"
    for at, way, stated in subject.ways():
        for place, url in urls(way):
            if not url.startswith("https://"):
                yield subject.finding(
                    "url-https", (*at, *place), "This is not https.",
                    "Write https, or allow the origin yourself: allow_hosts.", severity,
                )  # fmt: skip
        for place, host in _spelled_hosts(way, stated):
            name = _PLACEHOLDER.sub("x", host).removeprefix("*.").partition(":")[0]
            if not is_public_name(name):
                yield subject.finding(
                    "url-public", (*at, *place), f"{host!r} is no public host name.",
                    "Write a domain name, or allow the origin yourself: allow_hosts.", severity,
                )  # fmt: skip


def _all_hosts(way: Method, stated: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """The hosts of all URLs, and those that the recipe names, not those that follow from it."""
    for place, url in urls(way):
        yield place, host_of(url)
    for place, host in hosts(way):
        if place[0] in stated:
            yield place, host.lower()


def _spelled_hosts(way: Method, stated: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    for place, host in _all_hosts(way, stated):
        for each in spelled(host, way.params):
            yield place, each


def links(subject: Subject) -> Iterator[Finding]:
    """Pages for people open in a browser: https, with a public host."""
    recipe = subject.recipe
    found: list[tuple[Place, str]] = [(("docs_url",), recipe.docs_url)]
    for at, way, stated in subject.ways():
        own = [name for name in ("setup_url", "app_register_url") if name in stated]
        found += [((*at, name), getattr(way, name)) for name in own]
        found += [((*at, "app_guide", i, "url"), step.url) for i, step in enumerate(way.app_guide)]
        found += [
            ((*at, "required_secrets", i, "help_url"), secret.help_url)
            for i, secret in enumerate(way.required_secrets)
        ]
        if "diagnose" in stated:
            found += [
                ((*at, "diagnose", i, "do"), url)
                for i, item in enumerate(way.diagnose)
                for url in _IN_TEXT.findall(item.do)
            ]
    for place, url in found:
        if url and not is_page(url):
            yield subject.finding(
                "link", place, "This is no https link to a public page.", "Correct the link."
            )


def is_page(url: str) -> bool:
    """Whether this is an https link to a page with a public host."""
    host = re.match(r"https://([A-Za-z0-9.-]+)(?=[/?#]|\Z)", url)
    if host is None or re.search(r"[\s\\\x00-\x1f]", url):
        return False
    return is_public_name(host[1].lower())


def own_hosts(subject: Subject) -> Iterator[Finding]:
    """The credential must be able to reach what the recipe itself calls."""
    for at, way, _ in subject.ways():
        wanted: list[tuple[Place, str]] = [(("base_url",), way.base_url)]
        if way.test is not None and way.test.url:
            wanted.append((("test", "url"), way.test.url))
        for place, url in wanted:
            host = host_of(url)
            if host and not any(_covers(pattern.lower(), host) for pattern in way.allowed_hosts):
                yield subject.finding(
                    "host-allowed", (*at, *place), f"{host} is not in allowed_hosts.",
                    f"Add {host} to allowed_hosts.",
                )  # fmt: skip
        if not way.base_url and subject.recipe.status != "closed":
            yield subject.finding(
                "base-url", at, "There is no base_url.", "Name the address of the API."
            )


def _covers(pattern: str, host: str) -> bool:
    host = host.lower()
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def suffixes(subject: Subject) -> Iterator[Finding]:
    """What is fixed of a host must belong to one owner: no public suffix (ICANN's section)."""
    for at, way, stated in subject.ways():
        for place, host in _spelled_hosts(way, stated):
            name = host.partition(":")[0]
            fixed = re.split(r"\}\}", name)[-1].removeprefix("*").lstrip(".")
            open_ = name.startswith("*.") or ("{{" in name and not _finite(name, way.params))
            # Of `a-{{x}}.example.com` the label that the placeholder ends in is not fixed.
            if "{{" in name and not name.rpartition("}}")[2].startswith("."):
                fixed = fixed.partition(".")[2]
            if (open_ or not _PLACEHOLDER.search(name)) and _is_public_suffix(fixed):
                yield subject.finding(
                    "host-suffix", (*at, *place),
                    f"{fixed or host!r} is a public suffix: anybody can own a name below it.",
                    "Name the vendor's own domain.",
                )  # fmt: skip


def _finite(host: str, params: Mapping[str, Param]) -> bool:
    return all(params[name].enum for name in _PLACEHOLDER.findall(host) if name in params)


def _is_public_suffix(name: str) -> bool:
    return not name or bool(owners.suffixes().publicsuffix(name) == name)


# Which characters end a host, or begin another one? Tried in each position of a value.
_BREAKING = "/@#?:%\\"
_AROUND = ("", "a", "a1", "abc-def", "aaaaaaaaaaaa", "12345678901234567890")


def host_params(subject: Subject) -> Iterator[Finding]:
    """What fills a host must not be able to end it."""
    for at, way, stated in subject.ways():
        for name in {n for _, host in _all_hosts(way, stated) for n in _PLACEHOLDER.findall(host)}:
            param = way.params[name]
            if not all(re.fullmatch(r"[A-Za-z0-9.-]+", value) for value in param.enum):
                yield subject.finding(
                    "host-param", (*at, "params", name, "enum"),
                    "A value of this enum is no part of a host.", "Letters, digits, dots, hyphens.",
                )  # fmt: skip
            elif not param.enum and _lets_through(param.pattern):
                yield subject.finding(
                    "host-param", (*at, "params", name, "pattern"),
                    "This pattern lets through / @ # ? : % or \\, which end a host.",
                    "Write [a-z0-9-]+ or narrower.",
                )  # fmt: skip


def _lets_through(pattern: str) -> bool:
    compiled = re.compile(pattern)
    return any(
        compiled.fullmatch(before + char + after)
        for char in _BREAKING
        for before in _AROUND
        for after in _AROUND
    )


def known_primitive(subject: Subject) -> Iterator[Finding]:
    """A primitive that a package has to bring: nobody has looked at what is its own."""
    for at, way, _ in subject.ways():
        if primitives.find(way.primitive) is None:
            bundled = subject.tier == "bundled"
            yield subject.finding(
                "primitive", (*at, "primitive"),
                f"No package here brings the primitive {way.primitive!r}.",
                "Use one of ours." if bundled else "Install the package, then lint once more.",
                "error" if bundled else "warning",
            )  # fmt: skip


# -- templates and what they carry -----------------------------------------------------


def literal_braces(subject: Subject) -> Iterator[Finding]:
    """`{{ secret.x }}` is text, not a placeholder: hardly what its author meant."""
    for at, way, _ in subject.ways():
        for place, text, _names in templates(way):
            rest = Template.parse(text, strict=True).literal
            if "{{" in rest or "}}" in rest:
                yield subject.finding(
                    "braces", (*at, *place), "These braces are text, not a placeholder.",
                    "Write {{ns.name}} without spaces.", "warning",
                )  # fmt: skip


def carried(subject: Subject) -> Iterator[Finding]:
    """Where the secrets go, and whether they go anywhere."""
    for at, way, _ in subject.ways():
        used = {key for _, key in signing_keys(way)}
        primitive = primitives.find(way.primitive)
        used |= set(primitive.uses(way)) if primitive is not None else set()
        for place, text, _names in templates(way):
            for ns, name, _ in Template.parse(text, strict=True).placeholders:
                if ns not in ("secret", "token", "runtime"):
                    continue
                used.add(name)
                if place[1] in ("query", "path"):
                    yield subject.finding(
                        "secret-in-url", (*at, *place), "A secret in a URL ends up in logs.",
                        "Use a header if the service takes one.", "warning",
                    )  # fmt: skip
        whole = {name.partition(".")[0] for name in used}  # a member of it is enough
        for index, secret in enumerate(way.required_secrets):
            if secret.key not in whole and primitive is not None:
                yield subject.finding(
                    "secret-unused", (*at, "required_secrets", index),
                    f"Nothing carries the secret {secret.key!r}.",
                    "Name it in inject, or make it a param.", "warning",
                )  # fmt: skip


_CREDENTIAL_HEADERS = frozenset({"authorization", "cookie"})


def header_fields(subject: Subject) -> Iterator[Finding]:
    """One header once, no line break in it, and no credential in clear."""
    for at, way, _ in subject.ways():
        seen: set[str] = set()
        for place, name in headers(way):
            if place[0] in ("inject", "static_headers"):
                if name.lower() in seen:
                    yield subject.finding(
                        "header-twice", (*at, *place), "This header is set twice.",
                        "Keep one of them.",
                    )  # fmt: skip
                seen.add(name.lower())
            if name.lower() in _CREDENTIAL_HEADERS and place[0] == "static_headers":
                yield subject.finding(
                    "header-secret", (*at, *place), "A credential stands here in clear.",
                    "Ask for it in required_secrets, and inject it.",
                )  # fmt: skip
        for place, text, _names in templates(way):
            if "header" in str(place[-2:-1]) and re.search(r"[\r\n\x00]", text):
                yield subject.finding(
                    "header-value", (*at, *place), "A header has no line break.",
                    "Write it on one line.",
                )  # fmt: skip


RULES: tuple[Rule, ...] = (
    known_primitive, https, links, own_hosts, suffixes, host_params,
    owners.same_owner, owners.same_pages, owners.of_base,
    literal_braces, carried, header_fields,
    oauth.sound, oauth.unused, oauth.literals, scopes.least, scopes.lasting, scopes.ended,
    agents.paths, agents.reads, texts.diagnoses,
    texts.texts, texts.patterns, texts.secrets, texts.sdk, texts.of_this_machine,
    texts.complete,
)  # fmt: skip
