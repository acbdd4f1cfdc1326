"""The GitHub CLI: `hosts.yml`, where its tokens lie in clear unless a keyring has them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from arcrun_auth.importers.model import Found, Importer, whole_line
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    import yaml

    from arcrun_auth.importers.model import File, Span, Where
    from arcrun_auth.importers.services import Services

HOST, SERVICE = "github.com", "github"
_LOGGED_OUT = "gh is logged out, until: gh auth login"


def _places(where: Where) -> list[str]:
    folder = where.environ.get("GH_CONFIG_DIR") or where.config("gh", "GitHub CLI")
    return [os.path.join(folder, "hosts.yml")]


def _fits(file: File) -> bool:
    return "oauth_token:" in file.text and bool(_mapping(_root(file)))


def _read(file: File, services: Services, where: Where) -> Iterator[Found]:
    """One for each token: that of the user in use stands there twice since gh 2.40."""
    del where
    found: dict[tuple[str, str], tuple[str, str, list[Span | None]]] = {}
    for host, entry in _mapping(_root(file)):
        named = next((_text(node) for key, node in _mapping(entry) if _text(key) == "user"), "")
        users = [(key, node) for key, node in _mapping(entry) if _text(key) == "users"]
        per_user = [(_text(user), node) for _, node in users for user, node in _mapping(node)]
        for user, node in [(named, entry), *per_user]:
            for key, value in _mapping(node):
                token = _text(value)
                if _text(key) == "oauth_token" and token:
                    at = (_text(host), token)
                    kept = found.setdefault(at, (_text(host), user, []))
                    kept[2].append(_line(file, node, key, value))
    for (_, token), (host_name, user, spans) in found.items():
        place = f"{host_name}, user {user}" if user else host_name
        service = services.first([SERVICE]) if host_name == HOST else ""
        way = services.key_way(service) if service else None
        if way is None:
            why = f"there is no recipe for {host_name}"
            yield Found("gh", file.path, place, "key", why_not=why)
            continue
        yield Found(
            "gh",
            file.path,
            place,
            "key",
            service=service,
            method=way[0],
            name=user,
            secrets={way[1]: Secret(token)},
            cut=tuple(filter(None, spans)) if all(spans) else (),
            breaks=_LOGGED_OUT,
            file=file,
        )


def _line(file: File, node: yaml.Node, key: yaml.Node, value: yaml.Node) -> Span | None:
    """The line that is a key and its value and no more, as gh writes them. None for any other
    YAML (a flow, a block of text, an alias): what is left could mean something else then."""
    import yaml

    start, end = key.start_mark, value.end_mark
    is_flow = isinstance(node, yaml.CollectionNode) and node.flow_style
    is_one = start.line == value.start_mark.line == end.line and not is_flow
    span = whole_line(file.text, start.index, end.index)
    return span if is_one and span != (start.index, end.index) else None


def users(file: File) -> list[str]:
    """The users that gh knows at its main host; their tokens may lie in a keyring."""
    return [
        _text(user)
        for host, entry in _mapping(_root(file))
        if _text(host) == HOST
        for key, node in _mapping(entry)
        if _text(key) == "users"
        for user, _ in _mapping(node)
    ]


def _root(file: File) -> yaml.Node | None:
    """The document as nodes, which know where they stand; None for what is no YAML."""
    import yaml

    try:
        return yaml.compose(file.text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        return None


def _mapping(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    import yaml

    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def _text(node: yaml.Node) -> str:
    import yaml

    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


IMPORTER = Importer("gh", "the GitHub CLI", _places, _fits, _read)
