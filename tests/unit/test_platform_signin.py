"""Signing in to a platform by a provider: an OpenID issuer, or one that only tells who it is."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from joserfc.jwk import RSAKey

from arcrun_auth import errors
from arcrun_auth.server import providers
from arcrun_auth.server.config import Config
from arcrun_auth.server.providers import Providers, SharedApp, SignIn
from arcrun_auth.server.visits import Site
from arcrun_auth.testing import Provider
from tests import canary
from tests.issuer import CLIENT, Issuer
from tests.platform_desk import FREE, desk
from tests.servers import recorder
from tests.surfer import Surfer
from tests.unit.test_platform_login import ASKED, redeemed


@pytest.fixture
def issuer():
    with recorder() as server:
        yield Issuer(server)


def config_for(issuer, folder, registration="open", **more):
    secret = folder / "given" / "client-secret"
    secret.parent.mkdir(exist_ok=True)
    secret.write_text(issuer.client_secret)
    work = SignIn(
        title="Work", client_id=CLIENT, client_secret_file=str(secret), issuer=issuer.issuer
    )
    found = Providers(signin={"work": work}, allow_hosts=(issuer.issuer,))
    return Config(registration=registration, limits=FREE, providers=found, **more)


@pytest.fixture
def there(tmp_path, issuer):
    with desk(tmp_path / "server", config_for(issuer, tmp_path)) as found:
        yield found


def begun(there, surfer=None, **more):
    """A browser on its way to the provider: the address that it is sent to."""
    surfer = surfer or Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    form = next(form for form in surfer.page.forms if form.button == "Continue with Work")
    page = surfer.only(form.action, {**form.fields, **more})
    return surfer, page.onward


def signed_in(there, surfer=None, **more):
    """The same, and back."""
    surfer, address = begun(there, surfer, **more)
    surfer.open(address)
    return surfer


def code_of(surfer):
    form = next(form for form in surfer.page.forms if form.button == "Log in")
    page = surfer.only(form.action, form.fields)
    return parse_qs(urlsplit(page.onward).query)["code"][0]


def accounts_of(there):
    return there.database.read(
        lambda tx: tx.all("SELECT id, subject, provider, email, display_name FROM accounts")
    )


# -- the whole way ---------------------------------------------------------------------------


def test_somebody_signs_in_by_an_issuer_and_is_the_same_account_the_next_time(there, issuer):
    surfer = signed_in(there)
    assert "Ada (ada@example.com)" in surfer.page.text
    first = redeemed(there, code_of(surfer))[1]
    # The address may change hands; who it is at the issuer does not.
    issuer.claims = {"email": "else@example.com"}
    second = redeemed(there, code_of(signed_in(there)))[1]
    assert first["account"] == second["account"]
    ((_, subject, provider, email, name),) = accounts_of(there)
    assert subject == f"{issuer.issuer} ada"
    assert (provider, email, name) == ("work", "ada@example.com", "Ada")
    issuer.user, issuer.claims = "eve", {"email": "ada@example.com"}
    third = redeemed(there, code_of(signed_in(there)))[1]
    assert third["account"] != first["account"]


def test_the_login_asks_with_pkce_a_nonce_and_a_state_of_its_own(there):
    asked = [parse_qs(urlsplit(begun(there)[1]).query) for _ in range(2)]
    for each in asked:
        assert each["code_challenge_method"] == ["S256"]
        assert each["scope"] == ["openid email profile"]
        assert each["redirect_uri"] == [f"{there.url}/auth/callback"]
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["state"] != ["mine"]


def test_a_link_may_name_the_provider_and_then_no_page_is_between(there, issuer):
    surfer = Surfer()
    page = surfer.only(f"{there.url}/auth/start?{urlencode(ASKED | {'provider': 'work'})}")
    assert page.onward.startswith(issuer.issuer)
    surfer.only(f"{there.url}/auth/start?{urlencode(ASKED | {'provider': 'other'})}")
    assert surfer.status == 404


# -- who must not get in ------------------------------------------------------------------------


def test_user_b_cannot_finish_what_user_a_began(there, issuer):
    a, address = begun(there)
    answer = a.only(address) and a.headers["location"]
    b = Surfer()
    b.only(answer)
    assert b.status == 403
    assert issuer.code_used == []
    # Nor with a login of its own under way.
    b, _ = begun(there)
    b.only(answer)
    assert b.status == 403
    assert accounts_of(there) == []
    a.open(answer)
    assert "Ada" in a.page.text


def test_an_answer_is_taken_once(there, issuer):
    surfer, address = begun(there)
    surfer.only(address)
    answer = surfer.headers["location"]
    cookies = "; ".join(f"{c.name}={c.value}" for c in surfer.jar)
    surfer.only(answer)
    assert surfer.status == 303
    for headers in ({}, {"Cookie": cookies}):
        other = Surfer()
        other.only(answer, **headers)
        assert other.status == 403
    assert len(issuer.code_used) == 1


def test_an_answer_ends_after_ten_minutes(there):
    surfer, address = begun(there)
    surfer.only(address)
    answer = surfer.headers["location"]
    there.database._clock = lambda: time.time() + 601
    surfer.only(answer)
    assert surfer.status == 403


def test_a_token_that_is_not_for_this_login_lets_nobody_in(there, issuer):
    original = issuer.token
    for change in (
        {"nonce": "another"}, {"nonce": None}, {"aud": "other"}, {"iss": "https://evil.example"},
        {"exp": 1}, {"sub": None}, {"sub": ""},
    ):  # fmt: skip
        issuer.token = lambda change=change, **given: original(**{**given, **change})
        surfer = signed_in(there)
        assert surfer.status == 403, change
        assert accounts_of(there) == []
        assert not any(cookie.name == "arcrun_session" for cookie in surfer.jar)
    issuer.token = original
    assert signed_in(there).status == 200  # and it was not for another reason


def test_a_token_of_a_stranger_lets_nobody_in_and_a_new_key_of_the_issuer_does(there, issuer):
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    mine, issuer.key = issuer.key, stranger
    assert signed_in(there).status == 403
    # It changed its keys: they are read anew for a name that is not known, though not at once.
    from arcrun_auth.server import issuers

    issuer.key = RSAKey.generate_key(2048, {"kid": "two"})
    issuer.header = {"kid": "two"}
    issuer.keys = [issuer.key.as_dict(private=False)]
    assert signed_in(there).status == 403
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuers, "ANEW_SECONDS", 0.0)
        assert signed_in(there).status == 200
    del mine


def test_an_issuer_that_sends_another_iss_is_not_believed(there, issuer):
    surfer, address = begun(there)
    surfer.only(address)
    answer = surfer.headers["location"]
    surfer.only(answer.replace(urlencode({"iss": issuer.issuer}), "iss=https://evil.example"))
    assert surfer.status == 403
    assert issuer.code_used == []


def test_an_issuer_that_promised_to_name_itself_is_not_believed_without_its_name(there, issuer):
    issuer.document = {"authorization_response_iss_parameter_supported": True}
    surfer, address = begun(there)
    surfer.only(address)
    answer = surfer.headers["location"]
    surfer.only(answer.replace("&" + urlencode({"iss": issuer.issuer}), ""))
    assert surfer.status == 403
    assert issuer.code_used == []
    assert signed_in(there).status == 200


def test_a_document_of_another_issuer_is_not_believed(there, issuer):
    issuer.document = {"issuer": "https://evil.example"}
    surfer = Surfer()
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    surfer.press("Continue with Work")
    assert surfer.status == 503
    issuer.document = {"jwks_uri": None}
    surfer.open(f"{there.url}/auth/start?{urlencode(ASKED)}")
    surfer.press("Continue with Work")
    assert surfer.status == 503


def test_what_a_provider_says_is_shown_as_text_and_never_as_a_page(there, issuer):
    issuer.claims = {"name": "<script>x</script>", "picture": "javascript:x"}
    surfer = signed_in(there)
    assert "<script>" not in surfer.page.text
    assert "&lt;script&gt;" in surfer.page.text


def test_a_server_for_the_invited_lets_in_whom_it_knows_and_whoever_is_invited(tmp_path, issuer):
    from arcrun_auth.server import accounts

    with desk(tmp_path / "server", config_for(issuer, tmp_path, "invite")) as there:
        assert signed_in(there).status == 403
        assert accounts_of(there) == []
        invite = there.database.write(accounts.invite)
        assert signed_in(there, invite=invite).status == 200
        assert signed_in(there).status == 200
        assert len(accounts_of(there)) == 1


# -- one that only tells who it is -----------------------------------------------------------------


def test_somebody_signs_in_by_a_server_that_knows_no_openid(tmp_path):
    with Provider() as provider:
        secret = tmp_path / "secret"
        secret.write_text(provider.client_secret)
        entry = SignIn(
            title="Work", client_id="hub", client_secret_file=str(secret),
            authorization_endpoint=f"{provider.issuer}/authorize",
            token_endpoint=f"{provider.issuer}/token",
            userinfo_endpoint=f"{provider.issuer}/userinfo",
            scopes=("read",), subject="email", name="name",
        )  # fmt: skip
        found = Providers(signin={"work": entry}, allow_hosts=(provider.issuer,))
        config = Config(registration="open", limits=FREE, providers=found)
        with desk(tmp_path / "server", config) as there:
            provider.register("hub", auth="post", redirect_uris=(f"{there.url}/auth/callback",))
            surfer, address = begun(there)
            surfer.open(provider.redirected(address))
            answer = redeemed(there, code_of(surfer))[1]
            assert answer["access_token"].startswith("ak_")
            ((_, subject, _, email, _),) = accounts_of(there)
            assert (subject, email) == ("work ada@example.com", "ada@example.com")


# -- what the admin writes -----------------------------------------------------------------

GOOD = """
allow_hosts = ["http://127.0.0.1:9"]

[signin.work]
title = "Work"
issuer = "https://id.example.com"
client_id = "abc"
client_secret_file = "/nowhere"

[apps.google_drive]
client_id = "def"
scopes = ["drive.readonly"]
"""


def test_every_setting_of_the_configuration_is_documented_and_the_examples_are_read():
    from msgspec.structs import fields

    from tests.docs.pages import DOCS, blocks

    page = DOCS / "howto" / "server-logins.md"
    text = page.read_text(encoding="utf-8")
    for shape in (SignIn, SharedApp, Providers):
        for field in fields(shape):
            named = f"`{field.name}`" in text or f"[{field.name}." in text
            assert named, field.name
    examples = [block.text for block in blocks(page) if block.language == "toml"]
    found = [providers.read(text.encode(), "server.toml") for text in examples]
    assert sum(len(each.signin) + len(each.apps) for each in found) == 3


def test_a_configuration_is_read(tmp_path):
    (tmp_path / "server.toml").write_text(GOOD)
    found = providers.find(str(tmp_path), {})
    assert found.signin["work"].asked == ("openid", "email", "profile")
    assert found.apps["google_drive"].scopes == ("drive.readonly",)
    assert not found.apps["google_drive"].without_account
    assert providers.find(str(tmp_path / "none"), {}) == Providers()
    named = {"ARCRUN_SERVER_CONFIG": str(tmp_path / "server.toml")}
    assert providers.find("/", named) == found
    with pytest.raises(errors.AuthError, match="not there"):
        providers.find("/", {"ARCRUN_SERVER_CONFIG": str(tmp_path / "none")})


@pytest.mark.parametrize(("text", "said"), [
    ("x = ", "no TOML"),
    ("other = 1", "other"),
    ("[signin.work]\ntitle = 'x'\nclient_id = 'x'", "neither an issuer"),
    ("[signin.work]\ntitle = 'x'\nclient_id = 'x'\nissuer = 'ftp://x'", "issuer"),
    ("[signin.'Bad Name']\ntitle = 'x'\nclient_id = 'x'", "signin"),
    ("[signin.work]\ntitle = 'x'\nclient_id = 'x'\nclient_secret = 'SECRET'", "in clear"),
    ("[apps.demo]\nclient_id = 'x'\nclient_secret = 'SECRET'", "in clear"),
    ("allow_hosts = ['not an origin']", "allow_hosts"),
])  # fmt: skip
def test_a_configuration_that_is_wrong_is_told_with_its_place(text, said):
    secret = canary.fresh("client")
    with pytest.raises(errors.AuthError) as caught:
        providers.read(text.replace("SECRET", secret).encode(), "server.toml")
    assert said in caught.value.message
    assert secret not in str(caught.value)


def test_an_app_that_cannot_be_shared_is_told_when_the_server_starts(tmp_path):
    def fails(service, said, **entry):
        apps = {service: SharedApp(**{"client_id": "x", **entry})}
        config = Config(limits=FREE, folder=str(tmp_path), providers=Providers(apps=apps))
        with pytest.raises(errors.AuthError) as caught:
            Site(None, config)
        assert said in caught.value.message

    fails("google_drive", "needs its secret")
    fails("notion_no_such", "notion_no_such")
    fails("openai", "no such login")
    fails("google_drive", "cannot be read", client_secret_file=str(tmp_path / "none"))
