"""The how-to about a provider of one's own, at a certified one: its YAML as it stands there."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.docs.pages import DOCS, blocks, section
from tests.peers.oidc_desk import WithDevice, app_of, desk, grant_of, renewed, userinfo
from tests.peers.oidc_server import SECRET, OidcProvider, Person
from tests.servers import free_port

pytestmark = pytest.mark.peer

PAGE = DOCS / "howto" / "own-provider.md"
SHOWN = {block.about: block.text for block in blocks(PAGE) if block.note == "file"}
ISSUER, API = "https://id.example.com/realms/shop", "https://api.example.com/v1"
BROWSER = ("authorization_code", "refresh_token")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
PEER_NAME = re.compile(r"^service: \w+$", re.MULTILINE)


@pytest.fixture(scope="module")
def oidc():
    with OidcProvider() as server:
        yield server


def changes():
    """The YAML of each row of the table."""
    rows = section(PAGE, "What is different at yours")
    found = [yaml.safe_load(text) for text in re.findall(r"\| `([^`]+)` \|$", rows, re.MULTILINE)]
    return {next(iter(each)) + str(number): each for number, each in enumerate(found)}


def at_home(text, oidc, **oauth2):
    """A recipe of the page with the running server's addresses for those of the example."""
    assert text.count(ISSUER) == text.count(API) == 1
    text = PEER_NAME.sub("service: peer", text.replace(API, oidc.issuer))
    recipe = yaml.safe_load(text.replace(ISSUER, oidc.issuer))
    recipe["oauth2"] |= oauth2
    return yaml.safe_dump(recipe)


def logs_in_and_renews(broker, **options):
    broker.setup("peer", **options)
    # There is no `test`: whose account it is, the userinfo endpoint says.
    assert broker.test("peer").identity == "ada"
    assert grant_of(broker).refresh_token is not None
    renewed(broker)
    assert userinfo(broker) == (200, {"sub": "ada"})


def test_the_ten_lines_are_ten_at_most_and_enough(tmp_path, oidc):
    text = SHOWN["orders.yaml"]
    assert len(text.splitlines()) <= 10
    broker = desk(tmp_path, oidc, recipe=at_home(text, oidc))
    logs_in_and_renews(broker)
    assert "Testing connection… OK. Connected as ada." in broker.person.said


@pytest.mark.parametrize("change", changes().values(), ids=changes())
def test_each_row_of_the_table_is_a_login(tmp_path, oidc, change):
    app = person = None
    if change.get("client") == {"auth": "basic"}:
        app = {"client_id": "confidential", "client_secret": SECRET}
    if "grants" in change:
        registered = oidc.register(grant_types=[*BROWSER, DEVICE])
        app, person = app_of(registered), WithDevice(Person())
        change = {**change, "client": {"auth": "none"}}
    if change.get("redirect", {}).get("ports"):
        change["redirect"]["ports"] = [free_port()]
    recipe = at_home(SHOWN["orders.yaml"], oidc, **change)
    broker = desk(tmp_path, oidc, app=app, person=person, recipe=recipe)
    if "resource" in change:  # a token for that API alone: this server's own does not take it
        broker.setup("peer")
        assert renewed(broker).access_token
    else:
        logs_in_and_renews(broker, login="device" if "grants" in change else None)


def test_the_robot_needs_nobody(tmp_path, oidc):
    registered = oidc.register(
        grant_types=["client_credentials"], response_types=[], redirect_uris=[],
        token_endpoint_auth_method="client_secret_basic",
    )  # fmt: skip
    recipe = at_home(SHOWN["robot.yaml"], oidc)
    broker = desk(tmp_path, oidc, app=app_of(registered), recipe=recipe)
    broker.setup("peer")
    assert broker.person.asked == ["Do you agree?"]
    assert renewed(broker).access_token
