"""What makes a rule: everything that a person may have typed wrong."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from arcrun_auth.errors import AuthError
from arcrun_auth.policy import ANY, REVEALS, client_name, fault
from arcrun_auth.tokens import split_name

if TYPE_CHECKING:
    from arcrun_auth.policy import Rule

_METHOD = re.compile(r"[A-Z]{1,20}")
_WHATS = ("read", "write", *REVEALS)


def checked(rule: Rule, now: float) -> Rule:
    """The rule, its methods in upper case. AuthError says what is wrong with it."""
    rule = replace(rule, methods=tuple(method.upper() for method in rule.methods))
    wrong = next(filter(None, (_of_names(rule), _of_requests(rule), _of_limits(rule, now))), "")
    if wrong:
        verb = "allow" if rule.allow else "deny"
        raise AuthError(f"That makes no rule: {wrong}.", hint=f"arcrun policy {verb} --help")
    return rule


def _of_names(rule: Rule) -> str:
    if rule.what not in _WHATS and (rule.allow or rule.what != "any"):
        return "there is no such thing to " + ("allow" if rule.allow else "forbid")
    if rule.client not in (ANY, client_name(rule.client)):
        return "a client's name has lower-case letters, digits and . _ -"
    return _of_service(rule)


def _of_service(rule: Rule) -> str:
    if rule.service == ANY:
        return "" if rule.instance == ANY else "an instance is one of a service"
    if rule.what == "export":
        return "an export is of all services, *"
    try:
        split_name(rule.service if rule.instance == ANY else f"{rule.service}@{rule.instance}")
    except ValueError as error:
        return str(error)
    return ""


def _of_requests(rule: Rule) -> str:
    if rule.what in REVEALS and (rule.methods or rule.paths):
        return "a command has neither methods nor paths"
    if not all(map(_METHOD.fullmatch, rule.methods)):
        return "a method is a word, as GET"
    for path in rule.paths:
        why = fault(path)
        if why:
            return f"of a path, {why}"
    return ""


def _of_limits(rule: Rule, now: float) -> str:
    if rule.expires is not None and rule.expires <= now:
        return "it has ended already"
    if rule.left is not None and rule.left < 1:
        return "it could never be used"
    return ""
