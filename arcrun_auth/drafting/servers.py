"""Where an API stands, by its OpenAPI document: variables of its address become params. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from arcrun_auth.drafting.document import as_list, as_map, as_text, joined
from arcrun_auth.drafting.draft import Address
from arcrun_auth.drafting.texts import clean, sentence, slug
from arcrun_auth.hosts import is_public_name
from arcrun_auth.recipe.rules import host_of

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_SERVERS = 50
"""How many servers do we look at?"""
MAX_OTHERS = 5
"""How many further ones do we tell of?"""
MAX_URL = 2048
"""How long may an address be? As long as in a recipe."""

IN_HOST = "[a-z0-9][a-z0-9-]*"
IN_PATH = "[A-Za-z0-9._~-]+"

_URL = re.compile(r"(https?)://((?:\{[^{}]*\}|[A-Za-z0-9._:-])+)(/(?:\{[^{}]*\}|[^?#\s\\{}])*)?")
_VARIABLE = re.compile(r"\{([^{}]*)\}")
_LABELS = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")
# What has to follow a free value in a host, so that it stays with its owner: see recipe.rules.
_FIXED_SUFFIX = re.compile(r"[a-z0-9-]*(\.[a-z0-9-]+){2,}(:[0-9]+)?", re.IGNORECASE)


def address(document: Mapping[str, Any], at: str = "") -> Address | None:
    """The address of the API in an OpenAPI document of any version; None where it tells none.

    `at` is where the document itself was got: what is relative is relative to that. Of several
    servers it is the first that is public and https; the others are told in the note.
    """
    found = [made for server in _servers(document) if (made := _address(server, at)) is not None]
    if not found:
        return None
    best = next((each for each in found if _is_usual(each.base_url)), found[0])
    others = [each.base_url for each in found if each.base_url != best.base_url]
    notes = [best.note] if best.note else []
    if others:
        shown = ", ".join(clean(url) for url in dict.fromkeys(others[:MAX_OTHERS]))
        notes.append(f"The document names other servers, too: {shown}")
    return Address(best.base_url, best.params, "\n".join(notes))


def _is_usual(url: str) -> bool:
    host = re.sub(r"\{\{[^{}]*\}\}", "x", host_of(url)).partition(":")[0]
    return url.startswith("https://") and is_public_name(host)


def _servers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    if "swagger" in document:
        return _of_version_2(document)
    listed = as_list(document.get("servers"))[:MAX_SERVERS]
    return [as_map(server) for server in listed] or [{"url": "/"}]


def _of_version_2(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    host, path = as_text(document.get("host")), as_text(document.get("basePath"))
    schemes = [s for s in as_list(document.get("schemes")) if s in ("https", "http")] or ["https"]
    if not host:
        return [{"url": path or "/"}]
    scheme = "https" if "https" in schemes else "http"
    return [{"url": f"{scheme}://{host}/{path.lstrip('/')}"}]


def _address(server: Mapping[str, Any], at: str) -> Address | None:
    variables = {name: as_map(v) for name, v in as_map(server.get("variables")).items()}
    url = as_text(server.get("url")).strip()[: MAX_URL + 1]
    scheme = _VARIABLE.match(url)
    if scheme and url[scheme.end() :].startswith("://"):
        default = _default(variables.get(scheme[1], {}))
        url = (default if default in ("http", "https") else "https") + url[scheme.end() :]
    if len(url) > MAX_URL:
        return None
    if "://" not in url.partition("{")[0]:
        if not at:
            return None
        url = joined(at, url)
    match = _URL.fullmatch(url)
    return None if match is None else _Filling(variables).address(*match.groups())


def _default(variable: Mapping[str, Any]) -> str:
    value = variable.get("default", "")
    return "" if isinstance(value, bool | dict | list) else str(value or "")


class _Filling:
    """Turns the variables of one address into params, and remembers them."""

    def __init__(self, variables: Mapping[str, Mapping[str, Any]]) -> None:
        self._variables = variables
        self._params: dict[str, dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._failed = False

    def address(self, scheme: str, authority: str, path: str | None) -> Address | None:
        authority = re.sub(r":\{([^{}]*)\}$", lambda m: self._port(m[1]), authority)
        host = _VARIABLE.sub(lambda m: self._in_host(m[1], authority[m.end() :]), authority)
        rest = _VARIABLE.sub(lambda m: self._in_path(m[1]), path or "").rstrip("/")
        url = f"{scheme}://{host}{rest}"
        if self._failed or not host_of(url):
            return None
        return Address(url, self._params)

    def _port(self, name: str) -> str:
        """A port is not worth a question: the usual one, unless the document says another."""
        _, default = self._values(name)
        return f":{default}" if default.isdecimal() and default != "443" else ""

    def _in_host(self, name: str, after: str) -> str:
        values, default = self._values(name)
        fits = [value for value in values if _LABELS.fullmatch(value)]
        if len(fits) > 1:
            return self._param(name, enum=fits, default=default if default in fits else None)
        suffix = _VARIABLE.split(after)[-1]
        if not fits and _FIXED_SUFFIX.fullmatch(suffix):
            return self._param(name, pattern=IN_HOST, example=default)
        literal = fits[0] if fits else default
        self._failed |= not _LABELS.fullmatch(literal)
        return literal

    def _in_path(self, name: str) -> str:
        values, default = self._values(name)
        fits = [value for value in values if re.fullmatch(IN_PATH, value)]
        if len(fits) == 1:
            return fits[0]
        if fits:
            return self._param(name, enum=fits, default=default if default in fits else None)
        usable = default if re.fullmatch(IN_PATH, default) else None
        return self._param(name, pattern=IN_PATH, default=usable)

    def _values(self, name: str) -> tuple[list[str], str]:
        variable = self._variables.get(name, {})
        named = [_default({"default": value}) for value in as_list(variable.get("enum"))]
        return [value for value in dict.fromkeys(named) if value], _default(variable)

    def _param(self, name: str, *, example: str = "", **fields: Any) -> str:
        if name not in self._names:
            short = slug(name) or "value"
            while short in self._params:
                short += "_2"
            self._names[name] = short
            label = clean(name.replace("_", " ").strip().capitalize() or "Value", 60)
            about = sentence(as_text(self._variables.get(name, {}).get("description")))
            about = about or (f"For example: {clean(example, 60)}" if example else "")
            kept = {key: value for key, value in fields.items() if value is not None}
            self._params[short] = {"label": label, **({"help": about} if about else {}), **kept}
        return f"{{{{param.{self._names[name]}}}}}"
