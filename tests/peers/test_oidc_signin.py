"""A certified OpenID provider signs people in to a platform."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from arcrun_auth.server.config import Config
from arcrun_auth.server.providers import Providers, SignIn
from tests.peers.oidc_server import OidcProvider, Person
from tests.platform_desk import FREE, desk
from tests.surfer import Surfer
from tests.unit.test_platform_login import ASKED, redeemed

pytestmark = pytest.mark.peer


@pytest.fixture
def oidc():
    with OidcProvider() as server:
        yield server


@pytest.mark.parametrize("auth", ["post", "basic"])
def test_somebody_signs_in_by_it_and_a_device_gets_its_key(tmp_path, oidc, auth):
    # The server's address is known once it listens: the issuer is told of it then.
    entry = SignIn(title="Work", client_id="later", issuer=oidc.issuer, scopes=("openid",))
    found = Providers(signin={"work": entry}, allow_hosts=(oidc.issuer,))
    config = Config(registration="open", limits=FREE, providers=found)
    with desk(tmp_path / "server", config) as there:
        client = oidc.register(
            redirect_uris=[f"{there.url}/auth/callback"],
            token_endpoint_auth_method=f"client_secret_{auth}",
        )
        secret = tmp_path / "given" / "secret"
        secret.parent.mkdir()
        secret.write_text(client["client_secret"])
        found.signin["work"] = SignIn(
            title="Work", client_id=client["client_id"], client_secret_file=str(secret),
            auth=auth, issuer=oidc.issuer, scopes=("openid",),
        )  # fmt: skip
        keys = []
        for _ in range(2):
            surfer = Surfer()
            surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
            form = next(f for f in surfer.page.forms if f.button == "Continue with Work")
            page = surfer.only(form.action, form.fields)
            surfer.open(Person().redirected(page.onward))
            form = next(f for f in surfer.page.forms if f.button == "Log in")
            page = surfer.only(form.action, form.fields)
            code = parse_qs(urlsplit(page.onward).query)["code"][0]
            status, answer = redeemed(there, code)
            assert status == 200, json.dumps(answer)
            keys.append(answer["access_token"])
        accounts = there.database.read(lambda tx: tx.all("SELECT subject FROM accounts"))
        assert accounts == [(f"{oidc.issuer} ada",)]
        for key in keys:
            with there.cloud(key) as cloud:
                assert cloud.me().provider == "work"


def test_somebody_who_cancels_there_is_told_so_and_has_no_account(tmp_path, oidc):
    entry = SignIn(title="Work", client_id="public", auth="none", issuer=oidc.issuer)
    found = Providers(signin={"work": entry}, allow_hosts=(oidc.issuer,))
    config = Config(registration="open", limits=FREE, providers=found)
    with desk(tmp_path / "server", config) as there:
        client = oidc.register(redirect_uris=[f"{there.url}/auth/callback"])
        found.signin["work"] = SignIn(
            title="Work", client_id=client["client_id"], auth="none", issuer=oidc.issuer,
            scopes=("openid",),
        )  # fmt: skip
        surfer = Surfer()
        surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
        form = next(f for f in surfer.page.forms if f.button == "Continue with Work")
        page = surfer.only(form.action, form.fields)
        surfer.open(Person(allow=False).redirected(page.onward))
        assert surfer.status == 403
        assert "cancelled" in surfer.page.text
        assert there.database.read(lambda tx: tx.all("SELECT id FROM accounts")) == []
