# ruff: noqa: INP001 - a part of the program beside the pages
"""The tables of docs/recipes.md: every field of the model, with what its docstring says."""

from __future__ import annotations

import ast
import inspect
import re

import msgspec

from arcrun_auth.primitives import BUILT_IN
from arcrun_auth.recipe import model as recipe_model
from arcrun_auth.recipe import schema as recipe_schema

WORDS = (
    (r"Annotated\[str,.*\]|\bstr\b|\bText\b|\bName\b|\bScope\b|\bServiceId\b", "text"),
    (r"\bPackage\b|\bModule\b|\bIdentifier\b|\bCall\b", "text"),
    (r"Annotated\[int,.*?\)\]|\bint\b", "number"),
    (r"\bUrl\b", "URL"), (r"\bHost\b", "host"), (r"\bPathPattern\b", "path"),
    (r"\bbool\b", "true, false"),
    (r"\bStrings\b", "map of text"), (r" \| None", ""),
    (r"tuple\[(.*), \.\.\.\]", r"list of \1"), (r"dict\[\w+, (.*)\]", r"map of \1"),
    (r"\bAny\b", "anything"),
)  # fmt: skip
"""How is a type called in a table? The first ones first; classes are linked."""

CLASSES = {
    "RequiredSecret": "required_secrets", "Param": "params", "Inject": "inject",
    "OAuth2": "oauth2", "Redirect": "oauth2redirect", "ClientAuth": "oauth2client",
    "TokenRequest": "oauth2token_request", "TokenResponse": "oauth2token_response",
    "Refresh": "oauth2refresh", "Swap": "oauth2swap", "Revoke": "oauth2revoke",
    "Callback": "oauth2callback", "Choose": "discover", "Discover": "discover", "Jwt": "jwt",
    "When": "diagnose", "Diagnosis": "diagnose", "Ok": "ok", "TestRequest": "test",
    "GuideStep": "app_guide", "Verified": "verified", "Method": "one-way-in",
    "TokenExchange": "token_exchange", "Step": "step", "OAuth1": "oauth1", "Digest": "digest",
    "Mtls": "mtls", "Aws": "aws", "AssumeRole": "assume_role",
    "ServiceAccount": "service_account", "Federation": "service_accountfederation",
    "Impersonation": "service_accountimpersonation",
    "Agent": "agent", "Read": "agent",
    "Sdk": "sdk", "Git": "git-and-docker", "Docker": "git-and-docker",
}  # fmt: skip


def fields(model: str) -> str:
    """The table of a model's own fields: name, type, default, what it says."""
    described = recipe_schema.field_docs()
    kind = getattr(recipe_model, model)
    names = {field.name: field.encode_name for field in msgspec.structs.fields(kind)}
    source = ast.parse(inspect.getsource(kind)).body[0]
    assert isinstance(source, ast.ClassDef)
    rows = ["| field | type | default | |", "|---|---|---|---|"]
    for node in source.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        name = node.target.id
        text = described[model, name].replace("\n", " ").replace("|", "\\|")
        rows.append(
            f"| `{names[name]}` | {_type(node.annotation)} | {_default(node.value)} | {text} |"
        )
    return "\n".join(rows) + "\n"


def _type(annotation: ast.expr) -> str:
    """The annotation in the words of a YAML file."""
    choices = [
        repr(node.value).strip("'") or "empty"
        for found in ast.walk(annotation)
        if isinstance(found, ast.Subscript) and ast.unparse(found.value) == "Literal"
        for node in ast.walk(found.slice)
        if isinstance(node, ast.Constant)
    ]
    text = re.sub(
        r"Literal\[[^\]]*\]", ", ".join(f"`{c}`" for c in choices), ast.unparse(annotation)
    )
    if text == "Primitive":
        text = ", ".join(f"`{name}`" for name in BUILT_IN) + ", or a plug-in's"
    for pattern, word in WORDS:
        text = re.sub(pattern, word, text)
    for name, anchor in CLASSES.items():
        text = re.sub(rf"\b{name}\b", f"[{name}](#{anchor})", text)
    return text.replace(" | ", ", ")


def _default(value: ast.expr | None) -> str:
    if value is None:
        return "needed"
    if isinstance(value, ast.Call):
        return ""
    found = ast.literal_eval(value) if not isinstance(value, ast.Name) else SCHEMA[value.id]
    if found is None or found in ("", (), {}):
        return ""
    if isinstance(found, tuple):
        return ", ".join(f"`{each}`" for each in found)
    return f"`{str(found).lower() if isinstance(found, bool) else found}`"


SCHEMA = {"SCHEMA_VERSION": recipe_model.SCHEMA_VERSION}


def with_fields(page: str) -> str:
    """docs/recipes.md with the tables of today."""
    return re.sub(
        r"(<!-- fields: (\w+) -->\n)(?:\|.*\n)*",
        lambda found: found[1] + fields(found[2]),
        page,
    )
