"""What a person would give a recipe, made up: keys that fit its patterns, params, documents."""

from __future__ import annotations

import json
import re
import secrets
import string
from base64 import b64encode
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from arcrun_auth.recipe.model import Method, Param
    from arcrun_auth.recipe.proofs import Mtls
    from arcrun_auth.recipe.required import RequiredSecret

LENGTH = 12
"""How often is repeated what may be repeated for ever?"""
VARIANTS = 12
"""How many texts does one pattern bring at most?"""

_PLAIN = string.ascii_lowercase + string.digits + string.ascii_uppercase
_ALL = _PLAIN + "-_. /+=,@~:;#!%&'()*<>?[]^`{|}$\"\\\t\n"
_CHARACTERS = ("IN", "ANY", "NOT_LITERAL")
_CLASSES: dict[str, Callable[[str], bool]] = {
    "CATEGORY_DIGIT": str.isdecimal,
    "CATEGORY_NOT_DIGIT": lambda c: not c.isdecimal(),
    "CATEGORY_SPACE": str.isspace,
    "CATEGORY_NOT_SPACE": lambda c: not c.isspace(),
    "CATEGORY_WORD": lambda c: c.isalnum() or c == "_",
    "CATEGORY_NOT_WORD": lambda c: not (c.isalnum() or c == "_"),
}


def texts(pattern: str, *, whole: bool = False, group: str | None = None) -> Iterator[str]:
    """Texts in which the regular expression `pattern` is found, one for each of its branches.

    `whole`: it matches all of the text. `group`: what its first group shall hold.

    >>> list(texts("invalid_(grant|client)", whole=True))
    ['invalid_grant', 'invalid_client']
    """
    compiled, tree = _parsed(pattern)
    seen = set()
    for variant in range(VARIANTS):
        writer = _Writer(variant, group)
        text = writer.written(tree)
        match = compiled.fullmatch(text) if whole else compiled.search(text)
        if match is not None and text not in seen and (group is None or match[1] == group):
            seen.add(text)
            yield text
        if variant + 1 >= writer.branches:
            return


def text(pattern: str, *, whole: bool = False, group: str | None = None, example: str = "") -> str:
    """One of them; the `example`, where none can be made up and that fits. Else ValueError."""
    found = next(texts(pattern, whole=whole, group=group), None)
    if found is None and example and re.search(pattern, example):
        return example
    if found is None:
        raise ValueError(f"no text could be made up for the pattern {pattern}")
    return found


@cache
def _parsed(pattern: str) -> tuple[re.Pattern[str], Any]:
    from re import _parser  # type: ignore[attr-defined]  # what is made up is matched again

    return re.compile(pattern), _parser.parse(pattern)


class _Writer:
    """Writes a text for a parsed expression, in the `variant`th branch of each choice."""

    def __init__(self, variant: int, group: str | None) -> None:
        self.variant = variant
        self.group = group
        self.branches = 1
        """How many ways there are at the choice that has the most."""

    def written(self, tree: Any) -> str:
        return "".join(self._one(str(kind), value) for kind, value in tree)

    def _one(self, kind: str, value: Any) -> str:
        if kind == "LITERAL":
            return chr(value)
        if kind == "BRANCH":
            branches = value[1]
            self.branches = max(self.branches, len(branches))
            return self.written(branches[self.variant % len(branches)])
        if kind == "SUBPATTERN":
            number, _, _, inner = value
            return self.group if number == 1 and self.group is not None else self.written(inner)
        if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = value
            wanted = LENGTH if str(inner[0][0]) in _CHARACTERS else 1
            return "".join(self.written(inner) for _ in range(min(max(least, wanted), most)))
        if kind in _CHARACTERS:
            return self._character(kind, value)
        return ""  # places and conditions: whoever uses the text looks whether it fits

    def _character(self, kind: str, value: Any) -> str:
        if kind == "ANY":
            return secrets.choice(_PLAIN)
        items = [("NEGATE", None), ("LITERAL", value)] if kind == "NOT_LITERAL" else value
        return secrets.choice(_alphabet(tuple((str(kind), inner) for kind, inner in items)))


@cache
def _alphabet(items: tuple[tuple[str, Any], ...]) -> str:
    """The characters of a set: letters and digits where it has any."""
    for alphabet in (_PLAIN, _ALL):
        if fits := [character for character in alphabet if _is_in(character, items)]:
            return "".join(fits)
    return chr(items[0][1]) if items[0][0] == "LITERAL" else "?"


def _is_in(character: str, items: tuple[tuple[str, Any], ...]) -> bool:
    found = any(
        (kind == "LITERAL" and value == ord(character))
        or (kind == "RANGE" and value[0] <= ord(character) <= value[1])
        or (kind == "CATEGORY" and _CLASSES[str(value)](character))
        for kind, value in items
    )
    return found is not (items[0][0] == "NEGATE")


# -- what is given --------------------------------------------------------------------------


def params(way: Method) -> dict[str, str]:
    """A value for every param, whoever knows it."""
    return {name: _param(param) for name, param in way.params.items()}


def _param(param: Param) -> str:
    if param.default is not None:
        return param.default
    if param.enum:
        return param.enum[0]
    return text(param.pattern, whole=True) if param.pattern else _fresh("p")


def needed(way: Method) -> dict[str, str]:
    """A value for every secret, the optional ones included."""
    return {secret.key: _secret(secret, way) for secret in way.required_secrets}


def _secret(secret: RequiredSecret, way: Method) -> str:
    made: str | None = None
    if way.mtls is not None and secret.key in (way.mtls.certificate, way.mtls.key):
        made = _proof(secret.key, way.mtls)
    elif secret.type == "json_blob":
        made = _document(secret.key, way)
    elif secret.type == "pem" or _signs(secret.key, way):
        made = private_key(way.jwt.alg if way.jwt is not None else "RS256")
    elif _is_address(secret.key, way):
        made = "https://workload.example.net/token?api-version=1"
    elif not secret.pattern:
        made = _octets(secret.key, way) or _fresh("s")
    if made is not None:
        return made
    found = text(secret.pattern, example=secret.example)
    longer = found + _fresh("s")  # a pattern may tell how a key begins, and no more
    return longer if len(found) < LENGTH and re.search(secret.pattern, longer) else found


def _octets(key: str, way: Method) -> str:
    """A shared secret as the recipe says that it is written; empty where it says nothing."""
    jwt = way.jwt
    if jwt is None or jwt.key != key or jwt.take:
        return ""
    made = {"hex": secrets.token_hex(32), "base64": b64encode(secrets.token_bytes(32)).decode()}
    return made.get(jwt.key_encoding, "")


def _proof(key: str, mtls: Mtls) -> str:
    """A certificate, its key, or both in one where the recipe asks for one text."""
    from arcrun_auth.testing.conformance.certificates import identity

    chain, private = identity()
    if not mtls.key:
        return private + chain
    return chain if key == mtls.certificate else private


def _fresh(prefix: str) -> str:
    return prefix + secrets.token_hex(12)


def _signs(key: str, way: Method) -> bool:
    """Whether this secret, as it is, is the private key of a signature."""
    jwt = way.jwt
    return (
        jwt is not None
        and jwt.key == key
        and not jwt.take
        and jwt.key_encoding == "pem"
        and jwt.alg != "HS256"
    )


def _is_address(key: str, way: Method) -> bool:
    """Whether the recipe's own document goes to the address that is this secret."""
    account = way.service_account
    source = account.document.get("credential_source", {}) if account is not None else {}
    return str(source.get("url", "")).startswith(f"{{{{secret.{key}}}}}")


def _document(key: str, way: Method) -> str:
    """The JSON text of a secret: the members that the recipe names, and what sort it is of."""
    alg = way.jwt.alg if way.jwt is not None else "RS256"
    data = {"type": "service_account", "private_key": private_key(alg)}
    for name in _members(key, way):
        data.setdefault(name, f"{name.replace('_', '-')}@conformance.example.com")
    return json.dumps(data)


def _members(key: str, way: Method) -> set[str]:
    import msgspec

    named = re.compile(rf"{re.escape(key)}\.([A-Za-z0-9_]+)")
    return set(named.findall(msgspec.json.encode(way).decode()))


@cache
def private_key(alg: str) -> str:
    """A PEM that signs by this algorithm, the same one for the whole process: it takes long."""
    from joserfc import jwk

    key: jwk.ECKey | jwk.OKPKey | jwk.RSAKey
    if alg == "ES256":
        key = jwk.ECKey.generate_key("P-256")
    elif alg == "EdDSA":
        key = jwk.OKPKey.generate_key("Ed25519")
    else:
        key = jwk.RSAKey.generate_key(2048)
    return key.as_pem(private=True).decode()
