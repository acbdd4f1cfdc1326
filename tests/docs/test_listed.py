"""What catalogues of agents read of this repository: `server.json`, a plugin, a bundle."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

import arcrun_auth
from arcrun_cli.mcp_hosts import launch
from tests.docs.pages import ROOT, SKILL

SERVER = json.loads((ROOT / "server.json").read_text("utf-8"))
PLUGIN = json.loads((ROOT / ".claude-plugin" / "plugin.json").read_text("utf-8"))
MARKET = json.loads((ROOT / ".claude-plugin" / "marketplace.json").read_text("utf-8"))
BUNDLE = ROOT / "packaging" / "mcpb"
MANIFEST = json.loads((BUNDLE / "manifest.json").read_text("utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
(PACKAGE,) = SERVER["packages"]


def test_all_of_them_are_of_this_version() -> None:
    bundled = tomllib.loads((BUNDLE / "pyproject.toml").read_text("utf-8"))["project"]
    found = (SERVER, PACKAGE, PLUGIN, MANIFEST, bundled)
    assert {each["version"] for each in found} == {arcrun_auth.__version__}
    assert bundled["dependencies"] == [launch.PACKAGE]
    assert bundled["requires-python"] == PROJECT["requires-python"]
    assert MANIFEST["compatibility"]["runtimes"]["python"] == PROJECT["requires-python"]


def test_server_json_keeps_the_rules_of_its_schema() -> None:
    """Those of server.schema.json, 2025-12-11, that what stands in it is under."""
    assert SERVER["$schema"].endswith("/schemas/2025-12-11/server.schema.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", SERVER["name"])
    assert SERVER["name"].startswith("io.github."), "who publishes is told by a login there"
    assert 1 <= len(SERVER["description"]) <= 100
    assert 1 <= len(SERVER["title"]) <= 100
    assert set(SERVER) <= {"$schema", "name", "title", "description", "version", "packages"}
    assert PACKAGE["transport"] == {"type": "stdio"}
    for argument in PACKAGE["runtimeArguments"] + PACKAGE["packageArguments"]:
        needed = {"positional": {"value"}, "named": {"name", "value"}}[argument["type"]]
        assert needed <= set(argument) <= needed | {"type", "description"}


def test_server_json_starts_the_server_with_its_extra() -> None:
    """`uvx --with EXTRA arcrun-auth==VERSION mcp`: the script has the distribution's name."""
    assert (PACKAGE["registryType"], PACKAGE["identifier"]) == ("pypi", PROJECT["name"])
    assert PACKAGE["identifier"] in PROJECT["scripts"]
    assert PACKAGE["runtimeHint"] == "uvx"
    (extra,) = PACKAGE["runtimeArguments"]
    assert extra["name"] == "--with"
    assert [extra["value"]] == PROJECT["optional-dependencies"][launch.EXTRA]
    assert [each["value"] for each in PACKAGE["packageArguments"]] == [launch.EXTRA]


def test_the_proof_of_who_owns_the_package_is_the_name() -> None:
    """The registry looks for it in the README on PyPI."""
    found = re.findall(r"mcp-name: (\S+)", (ROOT / "README.md").read_text("utf-8"))
    assert set(found) <= {SERVER["name"]}


def test_the_plugin_is_the_skill_and_the_server() -> None:
    assert (ROOT / PLUGIN["skills"] / SKILL.parent.name / SKILL.name).is_file()
    assert PLUGIN["mcpServers"] == {
        launch.NAME: {"command": "uvx", "args": list(launch.shared().args)}
    }
    (listed,) = MARKET["plugins"]
    assert listed["name"] == PLUGIN["name"] == MARKET["name"]
    assert (ROOT / listed["source"]).resolve() == ROOT
    assert set(MARKET) == {"name", "description", "owner", "plugins"}


@pytest.mark.parametrize("name", ["commands", "agents", "hooks", "skills", ".mcp.json"])
def test_the_root_has_nothing_that_a_plugin_would_take_in_by_itself(name) -> None:
    assert not (ROOT / name).exists()


def test_the_bundle_is_whole_and_asks_for_no_secret() -> None:
    assert MANIFEST["manifest_version"] == "0.4"
    server = MANIFEST["server"]
    assert (server["type"], server["mcp_config"]["command"]) == ("uv", "uv")
    assert (BUNDLE / server["entry_point"]).is_file()
    assert server["entry_point"] in server["mcp_config"]["args"]
    assert "user_config" not in MANIFEST
    compile((BUNDLE / server["entry_point"]).read_text("utf-8"), "server.py", "exec")
