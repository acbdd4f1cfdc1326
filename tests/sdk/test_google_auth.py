"""What google-auth sends is the reference: the same claims, headers and fields as ours."""

from __future__ import annotations

import json
import time
import warnings
from pathlib import Path

import pytest

from arcrun_auth.broker import Broker
from arcrun_auth.jwt import by_recipe
from arcrun_auth.oauth.call import plain
from arcrun_auth.primitives.assertions import assertion
from arcrun_auth.recipe import read, reader
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Secret
from tests import needs
from tests.accounts_world import (
    DRIVE,
    EXCHANGE,
    OTHER,
    ROBOT,
    USER,
    World,
    form,
    key_file,
    unpadded,
)  # fmt: skip
from tests.world import Told

pytestmark = pytest.mark.peer

RECIPES = Path(__file__).parents[2] / "recipes"


def theirs(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return __import__(name, fromlist=["_"])
        except ImportError:
            needs.needs(False, "google-auth")


def refresh(credentials) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        request = theirs("google.auth.transport.requests").Request()
        credentials.refresh(request)
        request.session.close()


@pytest.fixture
def world():
    found = World()
    yield found
    found.close()


@pytest.fixture
def ours(tmp_path, world):
    """Asks for one token by the recipe, with this document and these params."""
    (tmp_path / "recipes").mkdir()
    tmp_path.chmod(0o700)
    (tmp_path / "recipes" / "demo.yaml").write_text(world.recipe)

    def ask(document: str, **params: str) -> None:
        broker = Broker(
            home=str(tmp_path), store=Memory(), person=Told(), allow_hosts=[world.origin]
        )
        broker.setup("demo", google_service_account=document, params=params)
        broker.close()

    return ask


def own_key(world, **more):
    module = theirs("google.oauth2.service_account")
    info = {**json.loads(key_file()), "token_uri": f"{world.origin}/token"}
    return module.Credentials.from_service_account_info(info, scopes=[DRIVE], **more)


def without_times(claims: dict) -> dict:
    assert claims["exp"] - claims["iat"] == 3600
    return {name: value for name, value in claims.items() if name not in ("iat", "exp")}


class _Desk:
    """What the shipped recipe needs to know to sign, and nobody to send it to."""

    checked = True
    now = time.time()

    def __init__(self, subject: str) -> None:
        document = json.loads(key_file())
        self.known = {
            "secret": {f"google_service_account.{n}": v for n, v in document.items()},
            "param": {"subject": subject, "impersonate": ""},
        }

    def values(self):
        return self.known

    def secret(self, key):
        return Secret(self.known["secret"][key])


@pytest.mark.parametrize("subject", [None, USER])
def test_the_shipped_recipe_signs_what_google_auth_signs(subject, world) -> None:
    text = (RECIPES / "_google_jwt.yaml").read_text()
    bases = {"_google_jwt": reader.parse(text, "_google_jwt.yaml")}
    way = read((RECIPES / "google_drive_sa.yaml").read_text(), bases=bases).way()
    at = way.oauth2.token_endpoint
    mine = assertion(_Desk(subject or ""), way.jwt, audience=at, scopes=way.oauth2.scopes)
    reference = own_key(world, subject=subject)._make_authorization_grant_assertion().decode()
    (header, claims), (their_header, their_claims) = (
        [json.loads(unpadded(part)) for part in text.split(".")[:2]]
        for text in (mine.reveal(), reference)
    )
    assert header == their_header == {"typ": "JWT", "alg": "RS256", "kid": "kid-1"}
    assert without_times(claims) == without_times(their_claims)
    assert ("sub" in claims) == (subject is not None)


@pytest.mark.parametrize("subject", [None, USER])
def test_a_token_request_is_theirs(world, ours, subject) -> None:
    refresh(own_key(world, subject=subject))
    ours(key_file(), subject=subject or "")
    (their_header, their_claims), (header, claims) = world.assertions  # both verified by joserfc
    assert header == their_header
    same = {name: v for name, v in without_times(their_claims).items() if name != "aud"}
    assert same == {name: v for name, v in without_times(claims).items() if name != "aud"}
    reference, mine = world.to("/token")
    assert (reference.method, set(form(reference))) == (mine.method, set(form(mine)))
    assert form(reference)["grant_type"] == form(mine)["grant_type"]


def test_an_accounts_own_signature_is_theirs() -> None:
    """AIP-4111: what is signed here and sent as it is."""
    texts = {path.stem: path.read_text() for path in RECIPES.glob("*google*.yaml")}
    bases = {n: reader.parse(t, n) for n, t in texts.items() if n.startswith("_")}
    way = read(texts["google_cloud_storage"], bases=bases).way("self_signed")
    known = _Desk("").known
    mine = by_recipe(
        way.jwt,
        key=Secret(known["secret"]["google_service_account.private_key"]),
        usual={},
        now=time.time(),
        render=lambda text: plain(text, known),
    )
    module = theirs("google.oauth2.service_account")
    credentials = module.Credentials.from_service_account_info(
        json.loads(key_file()), scopes=[way.jwt.claims["scope"]], always_use_jwt_access=True
    )
    credentials._create_self_signed_jwt(None)
    refresh(credentials)  # sends nothing
    (header, claims), (their_header, their_claims) = (
        [json.loads(unpadded(part)) for part in text.split(".")[:2]]
        for text in (mine, credentials.token)
    )
    assert header == their_header
    assert without_times(claims) == without_times(their_claims)


def test_an_id_token_is_asked_for_as_they_do(world) -> None:
    module = theirs("google.oauth2.service_account")
    info = {**json.loads(key_file()), "token_uri": f"{world.origin}/token"}
    credentials = module.IDTokenCredentials.from_service_account_info(
        info, target_audience="https://run.example"
    )
    claims = json.loads(
        unpadded(credentials._make_authorization_grant_assertion().decode().split(".")[1])
    )
    assert set(without_times(claims)) == {"iss", "aud", "target_audience"}


def test_one_account_acts_as_another_as_they_do(world, ours) -> None:
    module = theirs("google.auth.impersonated_credentials")
    credentials = module.Credentials(
        own_key(world), OTHER, [DRIVE],
        iam_endpoint_override=f"{world.origin}/accounts/{OTHER}:generateAccessToken",
    )  # fmt: skip
    refresh(credentials)
    ours(key_file(), impersonate=OTHER)
    assert world.assertions[0][1]["scope"] == world.assertions[1][1]["scope"]
    reference, mine = world.to(f"/accounts/{OTHER}:generateAccessToken")
    body = {name: v for name, v in json.loads(reference.body).items() if v is not None}
    assert json.loads(mine.body) == body
    assert mine.headers["content-type"] == reference.headers["content-type"]


def test_the_assertion_that_is_signed_elsewhere_is_theirs(world, ours, monkeypatch) -> None:
    module = theirs("google.auth.impersonated_credentials")
    iam = theirs("google.auth.iam")
    # Both endpoints are constants there.
    monkeypatch.setattr(iam, "_IAM_SIGNJWT_ENDPOINT", world.origin + "/accounts/{}:signJwt")
    monkeypatch.setattr(module, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{world.origin}/token")
    refresh(module.Credentials(own_key(world), OTHER, [DRIVE], subject=USER))
    ours(key_file(), impersonate=OTHER, subject=USER)
    reference, mine = (
        json.loads(json.loads(seen.body)["payload"])
        for seen in world.to(f"/accounts/{OTHER}:signJwt")
    )
    assert without_times(mine) == without_times(reference)


def workload(world, folder: Path, **more) -> dict:
    (folder / "given").mkdir(exist_ok=True)
    (folder / "given" / "token").write_text("workload-token")
    world.workloads["workload-token"] = ROBOT
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{world.origin}/sts",
        "credential_source": {"file": str(folder / "given" / "token")},
        **more,
    }


@pytest.mark.parametrize("acts", [False, True])
def test_a_workload_is_exchanged_as_they_do(world, ours, tmp_path, acts) -> None:
    module = theirs("google.auth.identity_pool")
    url = f"{world.origin}/accounts/{OTHER}:generateAccessToken"
    more = {"service_account_impersonation_url": url} if acts else {}
    document = workload(world, tmp_path, **more)
    refresh(module.Credentials.from_info(document, scopes=[DRIVE]))
    ours(json.dumps(document))
    reference, mine = world.to("/sts")
    assert form(mine)["grant_type"] == EXCHANGE
    their_scope = form(reference).pop("scope")
    assert {**form(mine), "scope": ""} == {**form(reference), "scope": ""}
    assert form(mine)["scope"] == their_scope
    if acts:
        reference, mine = world.to(f"/accounts/{OTHER}:generateAccessToken")
        body = {name: v for name, v in json.loads(reference.body).items() if v is not None}
        assert json.loads(mine.body) == body


def test_a_login_of_another_program_is_renewed_as_they_do(world, ours) -> None:
    module = theirs("google.oauth2.credentials")
    document = {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "client-secret",
        "refresh_token": "refresh",
    }
    credentials = module.Credentials.from_authorized_user_info(document)
    credentials._token_uri = f"{world.origin}/token"  # a constant there
    refresh(credentials)
    ours(json.dumps(document))
    reference, mine = world.to("/token")
    assert form(mine) == form(reference)
