"""Whether a GraphQL request only reads. Pure; whatever is unclear does not.

Not a parser: it knows the tokens of the language, and where a definition begins and ends. The
sections are those of the specification of October 2021.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_TOKEN = re.compile(
    r'"""(?:[^"\\]|\\(?:""")?+|"(?!""))*+"""'  # §2.9.4, block strings first
    r'|"(?:[^"\\\n\r]|\\[^\n\r])*+"'
    r"|\#[^\n\r]*+"
    r"|[\s,\ufeff]++"
    r"|\.\.\.|[{}()\[\]]|[!$&:=@|]"
    r"|-?[0-9][0-9A-Za-z.+-]*+"
    r"|[_A-Za-z][_0-9A-Za-z]*+"
)
_IGNORED = ("#", " ", "\t", "\n", "\r", ",", "\ufeff")
_CLOSES = {"{": "}", "(": ")", "[": "]"}
_FIELDS = frozenset({"query", "operationName", "variables"})
"""What a request holds that reads. A stored query has another field, and who knows what it does."""
_MOST = 100
"""How many requests may a batch have?"""


class _Unclear(ValueError):
    """Not a document that this understands."""


def reads(body: bytes, content_type: str) -> bool:
    """Whether a POST body holds queries alone: of one request, or of each of a batch.

    >>> reads(b'{"query": "{ me { id } }"}', "application/json")
    True
    >>> reads(b'{"query": "mutation { delete }"}', "application/json")
    False
    """
    kind = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode()
        if kind == "application/graphql":
            return document_reads(text)
        if kind != "application/json":
            return False
        data = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return False
    requests = data if isinstance(data, list) else [data]
    return 0 < len(requests) <= _MOST and all(map(_request_reads, requests))


def document_reads(text: str, operation: str | None = None) -> bool:
    """Whether what is carried out of a document is a query (§6.1, GetOperation).

    `operation` names which of several; without it there must be one alone.
    """
    try:
        found = list(_operations(_tokens(text)))
    except _Unclear:
        return False
    names = [name for _, name in found]
    if len(set(names)) < len(names):  # §5.2.1.1
        return False
    if operation is None:
        return len(found) == 1 and found[0][0] == "query"
    return bool(operation) and ("query", operation) in found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object without a name that stands there twice: two parsers may take different ones."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Unclear("a name stands there twice")
    return found


def _request_reads(request: Any) -> bool:
    if not isinstance(request, dict) or not request.keys() <= _FIELDS:
        return False
    query, operation = request.get("query"), request.get("operationName")
    if not isinstance(query, str) or not isinstance(operation, (str, type(None))):
        return False
    return document_reads(query, operation)


def _tokens(text: str) -> Iterator[str]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _Unclear("no token")
        at = found.end()
        if not found[0].startswith(_IGNORED):
            yield found[0]


def _operations(tokens: Iterator[str]) -> Iterator[tuple[str, str]]:
    """The kind and the name of each operation of a document; fragments are passed over (§2.2)."""
    for word in tokens:
        if word == "{":
            _skip(tokens, word)
            yield "query", ""
        elif word in ("query", "mutation", "subscription"):
            yield word, _head(tokens)
        elif word == "fragment":
            _head(tokens)
        else:
            raise _Unclear("neither an operation nor a fragment")


def _head(tokens: Iterator[str]) -> str:
    """Goes to the end of a definition. The name of it, which is its first word if it has one."""
    name, first = "", True
    for word in tokens:
        if word in _CLOSES:
            _skip(tokens, word)
            if word == "{":
                return name
        elif word in _CLOSES.values():
            raise _Unclear("closed without being open")
        elif first:
            name = word if word[0].isalpha() or word[0] == "_" else ""
        first = False
    raise _Unclear("breaks off")


def _skip(tokens: Iterator[str], opened: str) -> None:
    """Goes to where the bracket closes that was opened."""
    waiting = [_CLOSES[opened]]
    for word in tokens:
        if word in _CLOSES:
            waiting.append(_CLOSES[word])
        elif word == waiting[-1]:
            waiting.pop()
            if not waiting:
                return
        elif word in _CLOSES.values():
            raise _Unclear("another bracket closes")
    raise _Unclear("breaks off")
