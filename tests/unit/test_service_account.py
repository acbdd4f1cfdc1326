"""Service accounts, by each kind of document, at a provider that verifies what it is sent."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.catalog import Catalog
from arcrun_auth.primitives import documents
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.accounts_world import (
    DRIVE,
    IAM,
    OTHER,
    ROBOT,
    USER,
    World,
    form,
    key_file,
    key_pem,
    said,
)  # fmt: skip
from tests.world import Told

DEMO = Key("credential", "demo")


@pytest.fixture
def world():
    found = World()
    yield found
    found.close()


@pytest.fixture
def desk(tmp_path, world):
    brokers = []

    def make(**more) -> Broker:
        home = tmp_path / "home"
        (home / "recipes").mkdir(parents=True, exist_ok=True)
        home.chmod(0o700)
        (home / "recipes" / "demo.yaml").write_text(more.pop("recipe", world.recipe))
        more = {"store": Memory(), "person": Told(), **more}
        brokers.append(Broker(home=str(home), allow_hosts=[world.origin], **more))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.close()


def works(broker: Broker) -> str:
    """Whose account it is."""
    with broker.bind("demo", interactive=False) as client:
        return client.get("/about").json()["user"]["emailAddress"]


# -- a key ---------------------------------------------------------------------------------


def test_a_key_is_set_up_and_signs_and_is_renewed(desk, world) -> None:
    broker = desk()
    broker.setup("demo", google_service_account=key_file())
    assert works(broker) == ROBOT
    record = broker.store.get(DEMO)
    assert record.identity == ROBOT
    assert record.grant.scopes == (DRIVE,)
    first = broker.get_token("demo")
    assert first.expires_at is not None
    assert len(world.assertions) == 1
    again = broker.get_token("demo", rejected=first.access_token)
    assert again.access_token != first.access_token
    assert len(world.assertions) == 2


def test_a_key_for_a_user_names_the_user_and_nobody_else(desk, world) -> None:
    broker = desk()
    broker.setup("demo", google_service_account=key_file(), params={"subject": USER})
    assert works(broker) == USER
    assert world.assertions[0][1]["sub"] == USER
    assert "sub" not in _claims_without_subject(desk, world)


def _claims_without_subject(desk, world) -> dict:
    broker = desk(store=Memory())
    broker.setup("demo", google_service_account=key_file())
    return world.assertions[-1][1]


def test_other_scopes_are_asked_for_in_the_assertion_and_nowhere_else(desk, world) -> None:
    broker = desk()
    broker.setup("demo", google_service_account=key_file(), scopes=[f"{DRIVE}.readonly"])
    assert world.assertions[0][1]["scope"] == f"{DRIVE}.readonly"
    assert set(form(world.to("/token")[0])) == {"grant_type", "assertion"}
    assert broker.get_token("demo").scopes == {f"{DRIVE}.readonly"}


def test_a_key_in_the_environment_needs_no_setup(desk, world) -> None:
    environ = {"ARCRUN_DEMO_GOOGLE_SERVICE_ACCOUNT": key_file(), "ARCRUN_KEYRING": "off"}
    assert works(desk(store=None, environ=environ)) == ROBOT
    assert len(world.assertions) == 1


def test_no_copy_of_the_key_is_made_beside_the_vault(desk, world, tmp_path) -> None:
    from tests.world import master_key

    environ = {**master_key(), "HOME": str(tmp_path)}
    broker = desk(store=None, environ=environ)
    broker.setup("demo", google_service_account=key_file())
    assert works(broker) == ROBOT
    broker.close()
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or b"PRIVATE KEY" not in path.read_bytes()


# -- keys that are none --------------------------------------------------------------------


def refused(desk, world, text: str) -> errors.AuthError:
    broker = desk()
    with pytest.raises(errors.AuthError) as caught:
        broker.setup("demo", google_service_account=text)
    assert broker.store.get(DEMO) is None
    assert world.seen == []
    return caught.value


def pem(key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def other_key() -> str:
    return key_file(private_key=pem(ec.generate_private_key(ec.SECP256R1())))


def short_key() -> str:
    return key_file(private_key=pem(rsa.generate_private_key(65537, 1024)))


WRONG = {
    "a bare PEM": (lambda: key_pem(ROBOT), "bare PEM"),
    "a truncated file": (lambda: key_file()[:900], "breaks off"),
    "its key alone": (lambda: json.dumps({"private_key": key_pem(ROBOT)})[:200], "breaks off"),
    "no JSON": (lambda: "robot", "no JSON"),
    "a list": (lambda: "[]", "no JSON"),
    "half a character": (lambda: key_file(client_email="\ud800@a.example"), "no JSON"),
    "another type": (lambda: key_file(type="gdch_service_account"), "gdch_service_account"),
    "no type": (lambda: key_file(type=None), "its type"),
    "an OAuth client": (lambda: json.dumps({"installed": {"client_id": "x"}}), "--client-file"),
    "no address": (lambda: key_file(client_email=None), "client_email"),
    "no key": (lambda: key_file(private_key=None), "private_key"),
    "a damaged PEM": (lambda: key_file(private_key=key_pem(ROBOT)[:400]), "damaged or cut off"),
    "a key of another kind": (other_key, "RS256 wants an RSA key"),
    "a short key": (short_key, "1024 bits"),
    "no source of tokens": (
        lambda: json.dumps(
            {"type": "external_account", "audience": "a", "subject_token_type": "jwt"}
        ),
        "credential_source",
    ),
    "no refresh token": (
        lambda: json.dumps({"type": "authorized_user", "client_id": "a", "client_secret": "b"}),
        "refresh_token",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_key_is_refused_before_anything_is_sent_or_kept(desk, world, case) -> None:
    make, says = WRONG[case]
    error = refused(desk, world, make())
    assert says in str(error)
    assert "PRIVATE" not in str(error) or says == "bare PEM"
    assert "service_account can" not in str(error)
    assert error.hint is None or not error.hint.startswith("arcrun setup service_account")


KEY_ERRORS = {
    "another key": ({"error_description": "Invalid JWT Signature."}, "deleted"),
    "a disabled account": ({"error_description": "Invalid grant: account not found"}, "account"),
    "a clock": (
        {"error_description": "Invalid JWT: Token must be a short-lived token (60 minutes)"},
        "clock",
    ),
}


@pytest.mark.parametrize("case", KEY_ERRORS)
def test_a_key_that_the_provider_refuses_is_explained(desk, world, case) -> None:
    answer, says = KEY_ERRORS[case]
    world.refuse = said({"error": "invalid_grant", **answer}, 400)
    broker = desk()
    with pytest.raises(errors.TokenRefused) as caught:
        broker.setup("demo", google_service_account=key_file())
    assert says in str(caught.value)
    assert caught.value.error == "invalid_grant"
    assert broker.store.get(DEMO) is None


def test_a_key_that_is_disabled_later_ends_nothing_that_is_stored(desk, world) -> None:
    broker = desk()
    broker.setup("demo", google_service_account=key_file())
    token = broker.get_token("demo").access_token
    world.refuse = said(
        {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400
    )
    with pytest.raises(errors.TokenRefused, match="deleted"):
        broker.get_token("demo", rejected=token)
    assert broker.store.get(DEMO).grant.dead is None
    assert broker.get_token("demo", rejected=token).access_token != token  # enabled again


# -- one account that acts as another ------------------------------------------------------


def test_an_account_acts_as_another_by_a_token_of_its_own(desk, world) -> None:
    broker = desk()
    broker.setup("demo", google_service_account=key_file(), params={"impersonate": OTHER})
    assert works(broker) == OTHER
    assert world.assertions[0][1]["scope"] == IAM
    asked = json.loads(world.to(f"/accounts/{OTHER}:generateAccessToken")[0].body)
    assert asked == {"scope": [DRIVE], "lifetime": "3600s"}
    assert broker.store.get(DEMO).grant.expires == pytest.approx(
        broker.store.get(DEMO).grant.issued + 3600, abs=5
    )


def test_an_account_acts_for_a_user_without_a_key_of_its_own(desk, world) -> None:
    broker = desk()
    params = {"impersonate": OTHER, "subject": USER}
    broker.setup("demo", google_service_account=key_file(), params=params)
    assert works(broker) == USER
    header, claims = world.assertions[-1]
    assert header["kid"] == "theirs"
    assert (claims["iss"], claims["sub"], claims["scope"]) == (OTHER, USER, DRIVE)
    assert claims["aud"] == f"{world.origin}/token"
    assert claims["exp"] - claims["iat"] == 3600


def test_who_may_not_act_as_another_is_told_so(desk, world) -> None:
    broker = desk(
        recipe=world.recipe.replace("impersonation:", "impersonation:\n    scopes: [other]")
    )
    with pytest.raises(errors.TokenRefused) as caught:
        broker.setup("demo", google_service_account=key_file(), params={"impersonate": OTHER})
    assert caught.value.error == "PERMISSION_DENIED"
    assert "Token Creator" in str(caught.value)


# -- what stands in for a key --------------------------------------------------------------


def user_document() -> dict:
    return {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "client-secret",
        "refresh_token": "refresh",
    }


def workload(tmp_path, world, **more) -> dict:
    """A workload whose platform puts its token into a file."""
    given = tmp_path / "given"
    given.mkdir(exist_ok=True)
    (given / "token").write_text("workload-token\n")
    world.workloads["workload-token"] = "workload"
    return {
        "type": "external_account",
        "audience": "//iam.example/pools/ci",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{world.origin}/sts",
        "credential_source": {"file": str(given / "token")},
        **more,
    }


def acting_url(world, who: str = OTHER) -> dict[str, str]:
    url = f"{world.origin}/accounts/{who}:generateAccessToken"
    return {"service_account_impersonation_url": url}


def set_up(broker, document: dict, **params: str) -> Broker:
    broker.setup("demo", google_service_account=json.dumps(document), params=params)
    return broker


def test_a_login_of_another_program_gives_tokens_of_its_own_scopes(desk, world) -> None:
    broker = set_up(desk(), user_document())
    assert works(broker) == USER
    assert set(form(world.to("/token")[0])) == {
        "grant_type", "refresh_token", "client_id", "client_secret",
    }  # fmt: skip


def test_a_login_of_another_program_acts_as_an_account(desk, world) -> None:
    world.token = lambda who, scopes, real=world.token: real(who, (*scopes, IAM))
    document = {
        "type": "impersonated_service_account",
        "source_credentials": user_document(),
        "delegates": ["projects/-/serviceAccounts/between@demo.iam.example"],
        **acting_url(world),
    }
    assert works(set_up(desk(), document)) == OTHER
    asked = json.loads(world.to(f"/accounts/{OTHER}:generateAccessToken")[0].body)
    assert asked["delegates"] == document["delegates"]


def test_a_workload_exchanges_the_token_of_its_platform(desk, world, tmp_path) -> None:
    broker = set_up(desk(), workload(tmp_path, world))
    assert works(broker) == "workload"
    assert form(world.to("/sts")[0]) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": "//iam.example/pools/ci",
        "scope": DRIVE,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token": "workload-token",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    world.workloads["next"] = "workload, later"
    (tmp_path / "given" / "token").write_text("next")  # platforms replace it all the time
    token = broker.get_token("demo").access_token
    broker.get_token("demo", rejected=token)
    assert works(broker) == "workload, later"


@pytest.mark.parametrize("subject", ["", USER])
def test_a_workload_acts_as_an_account_and_for_a_user(desk, world, tmp_path, subject) -> None:
    broker = set_up(desk(), workload(tmp_path, world, **acting_url(world)), subject=subject)
    assert works(broker) == (subject or OTHER)
    assert form(world.to("/sts")[0])["scope"] == IAM


def test_the_account_that_the_user_names_is_the_one(desk, world, tmp_path) -> None:
    document = workload(tmp_path, world, **acting_url(world))
    assert works(set_up(desk(), document, impersonate=ROBOT)) == ROBOT


@pytest.mark.parametrize(
    ("more", "header"),
    [
        ({"client_id": "me"}, None),
        ({"client_id": "me", "client_secret": "s&cret"}, "Basic bWU6cyUyNmNyZXQ="),
        ({"workforce_pool_user_project": "payer"}, None),
    ],
)
def test_a_workload_says_which_client_it_is(desk, world, tmp_path, more, header) -> None:
    set_up(desk(), workload(tmp_path, world, **more))
    (seen,) = world.to("/sts")
    assert seen.headers.get("authorization") == header
    assert form(seen).get("client_id") == (None if header else more.get("client_id"))
    paid = form(seen).get("options")
    assert (paid == "%7B%22userProject%22%3A%20%22payer%22%7D") == (
        len(more) == 1 and "client_id" not in more
    )


@pytest.mark.parametrize("member", ["token_url", "service_account_impersonation_url"])
def test_a_document_cannot_send_a_token_to_a_host_of_its_own(desk, world, tmp_path, member) -> None:
    url = {
        "token_url": "https://sts.evil.example/v1/token",
        "service_account_impersonation_url": f"https://evil.example/{OTHER}:generateAccessToken",
    }[member]
    document = workload(tmp_path, world, **{**acting_url(world), member: url})
    with pytest.raises(errors.HostNotAllowed) as caught:
        set_up(desk(), document)
    assert caught.value.host.endswith("evil.example")
    assert world.seen == []


def test_an_address_in_a_document_that_is_none_is_refused(desk, world, tmp_path) -> None:
    document = workload(tmp_path, world, token_url="https://[")
    with pytest.raises(errors.HostNotAllowed, match="no host"):
        set_up(desk(), document)
    assert world.seen == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"service_account_impersonation_url": "https://127.0.0.1/nobody"}, "names no account"),
        ({"service_account_impersonation_url": 7}, "no service_account_impersonation_url"),
        ({"service_account_impersonation_url": "https://[/a@b.example:get"}, "names no account"),
        ({"source_credentials": {"type": "impersonated_service_account"}}, "source_credentials"),
        ({"source_credentials": {"type": "authorized_user"}}, "client_id"),
        ({"delegates": "a"}, "delegates"),
    ],
)
def test_a_document_that_acts_as_nobody_is_refused(desk, world, change, says) -> None:
    document = {
        "type": "impersonated_service_account",
        "source_credentials": user_document(),
        **acting_url(world),
        **change,
    }
    with pytest.raises(errors.AuthError, match=says):
        set_up(desk(), document)


def test_only_an_account_of_its_own_acts_for_a_user(desk, world) -> None:
    with pytest.raises(errors.AuthError, match="service account") as caught:
        set_up(desk(), user_document(), subject=USER)
    assert "impersonate" in caught.value.hint


# -- tokens for an audience ----------------------------------------------------------------

ID_TOKEN = """
jwt: {claims: {target_audience: "https://run.example"}, scope_claim: null}
oauth2: {scopes: [], token_response: {access_token: id_token, default_expires_in: 3600}}
"""


def id_recipe(world) -> str:
    text = world.recipe.replace(f'scopes: ["{DRIVE}"]', "scopes: []") + ID_TOKEN
    hop = (
        ':generateIdToken"\n    body: {audience: "https://run.example", lifetime: null}\n'
        '    scope_field: ""\n    token_response: {access_token: token, default_expires_in: 3600}'
    )
    return text.replace(':generateAccessToken"', hop)


def test_an_id_token_for_an_audience_is_asked_for_by_the_assertion(desk, world) -> None:
    broker = desk(recipe=id_recipe(world))
    broker.setup("demo", google_service_account=key_file())
    assert works(broker) == ROBOT
    claims = world.assertions[0][1]
    assert claims["target_audience"] == "https://run.example"
    assert "scope" not in claims
    assert broker.store.get(DEMO).grant.expires is not None


def test_an_id_token_of_another_account(desk, world) -> None:
    broker = desk(recipe=id_recipe(world))
    broker.setup("demo", google_service_account=key_file(), params={"impersonate": OTHER})
    assert works(broker) == OTHER
    assert world.assertions[0][1]["scope"] == IAM
    (seen,) = world.to(f"/accounts/{OTHER}:generateIdToken")
    assert json.loads(seen.body) == {"audience": "https://run.example"}


def test_an_id_token_of_a_workload_takes_an_account(desk, world, tmp_path) -> None:
    broker = desk(recipe=id_recipe(world))
    with pytest.raises(errors.AuthError, match="of this kind"):
        set_up(broker, workload(tmp_path, world))


# -- recipes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("federation", "token of a workload"),
        ("impersonation", "acts as another"),
        ("sign_url", "without a key"),
    ],
)
def test_what_a_recipe_does_not_know_is_said(desk, world, tmp_path, lost, says) -> None:
    import yaml

    data = yaml.safe_load(world.recipe)
    account = data["service_account"]
    (account if lost in account else account["impersonation"])[lost] = None
    broker = desk(recipe=yaml.safe_dump(data))
    more = {} if lost == "federation" else acting_url(world)
    with pytest.raises(errors.AuthError, match=says):
        set_up(
            broker, workload(tmp_path, world, **more), subject=USER if lost == "sign_url" else ""
        )


@pytest.mark.parametrize(
    "source",
    [
        {"file": "{file}"},
        {"url": "https://evil.example/?k={{{{secret.key}}}}"},
        {"executable": {"command": "sh -c true"}},
    ],
    ids=["file", "url", "executable"],
)
def test_a_recipe_of_somebody_else_names_no_file_address_or_program_here(
    desk, world, tmp_path, monkeypatch, source
) -> None:
    import yaml

    (tmp_path / "given").mkdir()
    private = tmp_path / "given" / "private"
    private.write_text(canary.fresh())
    asked = []
    monkeypatch.setattr("arcrun_auth.workload.subject_token", lambda *a: asked.append(a))
    data = yaml.safe_load(world.recipe)
    data["required_secrets"] = [{"key": "key"}]
    data["jwt"] = {"key": "none.private_key", "header": {"kid": ""}, "claims": {"iss": ""}}
    data["service_account"]["document"] = {
        "type": "external_account",
        "audience": "a",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "credential_source": json.loads(
            json.dumps(source)
            .replace("{file}", str(private))
            .replace("{{{{", "{{")
            .replace("}}}}", "}}")
        ),
    }
    broker = desk(recipe=yaml.safe_dump(data))
    with pytest.raises(errors.RecipeError, match="only a bundled recipe") as caught:
        broker.setup("demo", key=canary.fresh())
    assert caught.value.service == "demo"
    assert asked == world.seen == []


def test_a_bare_key_is_a_service_account_too(desk, world) -> None:
    recipe = f"""
service: demo
primitive: service_account
base_url: {world.origin}/api
token_exchange: {{endpoint: "{world.origin}/token", scopes: [a]}}
required_secrets: [{{key: key, type: pem}}]
jwt: {{key: key, claims: {{iss: {ROBOT}, jti: ""}}, scope_claim: scope, ttl_s: 3600}}
"""
    broker = desk(recipe=recipe)
    broker.setup("demo", key=key_pem(ROBOT))
    assert works(broker) == ROBOT
    with pytest.raises(errors.AuthError, match="neither"):
        broker.setup("demo", key="no key at all")


def test_a_bundled_recipe_may_write_the_document_itself(desk, world, tmp_path) -> None:
    import yaml

    data = yaml.safe_load(world.recipe)
    source = workload(tmp_path, world)
    data["required_secrets"] = [{"key": "part", "label": "The end of the audience"}]
    data["params"] = {"middle": {"pattern": "[a-z]+"}}
    data["jwt"] = {"header": {"kid": ""}, "claims": {"iss": ""}}
    data["service_account"]["document"] = {
        "type": "impersonated_service_account",
        "source_credentials": {**source, "audience": "//{{secret.part}}"},
        "delegates": ["projects/-/serviceAccounts/{{param.middle}}@demo.iam.example"],
        **acting_url(world),
    }
    wheel = tmp_path / "given" / "wheel"
    wheel.mkdir(parents=True)
    (wheel / "demo.yaml").write_text(yaml.safe_dump(data))
    for base in (Path(__file__).parents[2] / "recipes").glob("_google*.yaml"):
        (wheel / base.name).write_bytes(base.read_bytes())
    bundled = Catalog(tmp_path / "given" / "home", bundled=wheel)
    broker = desk(recipe="", recipes=bundled)
    broker.setup("demo", part="pool", params={"middle": "between"})
    assert works(broker) == OTHER
    assert form(world.to("/sts")[0])["audience"] == "//pool"
    asked = json.loads(world.to(f"/accounts/{OTHER}:generateAccessToken")[0].body)
    assert asked["delegates"] == ["projects/-/serviceAccounts/between@demo.iam.example"]


@pytest.mark.parametrize("account", ["a%2fb@c.example", "@c.example", "x", "a@b?c"])
def test_an_account_that_would_lead_elsewhere_is_none(desk, world, account) -> None:
    url = {"service_account_impersonation_url": f"{world.origin}/accounts/{account}:get"}
    document = {"type": "impersonated_service_account", "source_credentials": user_document()}
    with pytest.raises(errors.AuthError):
        set_up(desk(), {**document, **url})
    assert [seen for seen in world.seen if "accounts" in seen.target] == []


# -- whatever a document says ----------------------------------------------------------------

MEMBERS = [
    "type", "client_email", "private_key", "client_id", "client_secret", "refresh_token",
    "audience", "subject_token_type", "credential_source", "source_credentials", "delegates",
    "service_account_impersonation_url",
]  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4)
    ),
    max_leaves=10,
)
TYPES = [documents.OWN_KEY, documents.USER, documents.WORKLOAD, documents.ACTING]


@settings(deadline=None)
@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(MEMBERS), ANYTHING))
def test_any_document_is_taken_whole_or_refused(kind, members) -> None:
    text = json.dumps({**members, "type": kind})
    with contextlib.suppress(errors.AuthError):
        source, target, between = documents.unfolded(documents.read(Secret(text)))
        assert source["type"] in TYPES
        assert isinstance(target, str)
        assert all(isinstance(name, str) for name in between)


@settings(deadline=None)
@given(st.text() | ANYTHING.map(json.dumps))
def test_any_text_is_a_document_or_refused_without_a_word_of_it(text) -> None:
    try:
        found = documents.read(Secret(text))
    except errors.AuthError as error:
        shown = str(error)
        assert len(text) < 40 or text not in shown
    else:
        assert found["type"] in TYPES
