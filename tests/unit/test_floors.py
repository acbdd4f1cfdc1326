"""Imports point down: the table of the floors, held against the code."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "arcrun_auth"

FLOORS = [
    (
        "ground",
        "errors exchange forks _http mtls network scrub signing_key threads tokens unpacking",
    ),
    (
        "rules",
        """
        answers cloud_answers consent diagnosis differences
        digest dotenv drafting fields finding forms hosts http1 jwt landing lifetimes lint
        masking members moments oauth oauth1 policy primitives profile protocol recipe
        references rendering scopes seal server_words sharing signing sigv4 snippets
        template token_answer usual variables
        """,
    ),
    (
        "world",
        """
        ambient audit browser callers catalog ci_identity cloud kept_line keyfile
        keyform listener locks loopback markers notebook people platform_api ports programs project
        qr remote retrieval settings stores surroundings workload
        """,
    ),
    ("works", "custody login sources"),
    ("front", "client flow probe transport"),
    (
        "hall",
        """
        adoption agreement apps authority bound broker checkup compared completion
        connections declared desk discovery ends enrol found held helpers keepalive lending named
        ownership parts platform_config policies presigned recording referred relayed removal
        renewal report resolve shared signin standing sync trial
        """,
    ),
    ("bridge", "adapters"),
    ("door", "__init__ platform_sdk testing"),
    ("roof", "agents importers publishing server"),
]
LEVEL = {name: level for level, (_, names) in enumerate(FLOORS) for name in names.split()}


def room(path: Path) -> str:
    """The first name below the package: a file's, or its folder's."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """The rooms that a file imports, type checking included: an arrow is an arrow."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            own = node.module == "arcrun_auth"
            names = [f"{node.module}.{a.name}" for a in node.names] if own else [node.module]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "arcrun_auth" and len(parts) > 1:
                found.add(parts[1])
    return found


FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_only_its_own_floor_and_those_below(path: Path) -> None:
    mine = LEVEL[room(path)]
    above = {
        name
        for name in imports(path)
        # names of the door itself (`__version__`) come from no room
        if name in LEVEL and LEVEL[name] > mine
    }
    assert not above, f"{room(path)} ({FLOORS[mine][0]}) reaches up to {sorted(above)}"


def test_every_file_has_a_floor() -> None:
    assert {room(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_one_file_names_the_http_library(path: Path) -> None:
    if room(path) in {"_http", "testing"}:
        return
    tree = ast.parse(path.read_text())
    checked_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if id(node) in checked_only or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
        assert not {"httpx", "httpx2", "httpcore"} & {str(n).split(".")[0] for n in names}


def services() -> set[str]:
    return {p.stem for p in (ROOT / "recipes").glob("[!_]*.yaml")}


COMMON_WORDS = {
    "aws", "box", "close", "copper", "front", "lever", "line", "linear", "loops", "make", "plain",
    "ramp", "render", "resend", "segment", "square", "threads", "together", "wave", "notion",
    "github", "gemini",
}  # fmt: skip
"""Names of services that are words as well, or a recipe's field; `notion` and `github` stand in
examples, and the command that is told of `arcrun mcp` has the name of its service."""


def test_no_provider_is_named_in_code() -> None:
    names = {name.replace("_", " ") for name in services()} | services()
    names |= {"google", "microsoft", "github"}
    ours = [path for path in FILES if room(path) not in ("adapters", "importers")]
    for path in [*ours, *(ROOT / "cli").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        docs = {
            id(node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        }
        for node in ast.walk(tree):
            word = None
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                word = node.value if id(node) not in docs else None
            elif isinstance(node, ast.Name):
                word = node.id
            if word is not None and word.lower() in names - COMMON_WORDS:
                pytest.fail(f"{path.relative_to(ROOT)}:{node.lineno} names {word!r}")


def test_the_door_imports_next_to_nothing() -> None:
    import subprocess

    code = (
        "import sys; before = set(sys.modules); from arcrun import auth; "
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert set(result.stdout.split()) - {"__future__"} == {
        "arcrun",
        "arcrun.auth",
        "arcrun_auth",
    }
