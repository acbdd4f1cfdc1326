"""What other programs keep, in their own formats: what is found of it, and where."""

from __future__ import annotations

import base64
import json
import os
import pickle
from pathlib import Path

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.errors import AuthError
from arcrun_auth.importers import NAMES, Services, Where, find, find_in
from arcrun_auth.importers.model import File, Unreadable, read_file
from arcrun_auth.stores.keyring_backend import OSKeyring, Unavailable
from tests import canary

DRIVE = "https://www.googleapis.com/auth/drive"


@pytest.fixture(scope="session")
def services(tmp_path_factory) -> Services:
    """The recipes that are shipped."""
    return Services(Catalog(tmp_path_factory.mktemp("catalog")))


@pytest.fixture
def user(tmp_path) -> Where:
    """Somebody whose files are made by the test: what they are given is allowed to be in clear."""
    home, folder = tmp_path / "given" / "home", tmp_path / "given" / "work"
    home.mkdir(parents=True)
    folder.mkdir()
    return Where({}, str(home), str(folder), "linux")


def write(path: str, text: str) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text, newline="")
    return path


def at_home(user: Where, name: str, text: str) -> str:
    return write(os.path.join(user.home, name), text)


def here(user: Where, name: str, text: str) -> str:
    return write(os.path.join(user.folder, name), text)


def with_environ(user: Where, **environ: str) -> Where:
    return Where(environ, user.home, user.folder, user.platform)


def values(found) -> dict[str, str]:
    return {key: secret.reveal() for key, secret in found.secrets.items()}


def original(found) -> str:
    """The text that is to be taken away."""
    return "".join(found.file.text[start:end] for start, end in sorted(set(found.cut)))


def test_every_source_has_its_place_in_the_list() -> None:
    assert NAMES == ("gh", "gcloud", "token", "rclone", "aws", "env", "netrc", "keyring")


def test_an_empty_home_has_nothing(user, services) -> None:
    assert find(user, services) == []


# -- gh ------------------------------------------------------------------------------------


def test_gh_since_2_40_has_each_user_and_the_one_in_use_twice(user, services) -> None:
    ada, bob = "gho_" + canary.fresh("ada"), "ghp_" + canary.fresh("bob")
    path = at_home(
        user,
        ".config/gh/hosts.yml",
        f"""github.com:
    git_protocol: https
    users:
        ada:
            oauth_token: {ada}
        bob:
            oauth_token: {bob}
    user: ada
    oauth_token: {ada}
ghe.example.com:
    user: ada
    oauth_token: {canary.fresh("ghe")}
""",
    )
    first, second, third = find(user, services, ["gh"])
    assert (first.path, first.at, first.name) == (path, "github.com, user ada", "ada")
    assert values(first) == {"github_token": ada}
    assert original(first) == f"            oauth_token: {ada}\n    oauth_token: {ada}\n"
    assert values(second) == {"github_token": bob}
    assert "gh auth login" in second.breaks
    assert third.why_not == "there is no recipe for ghe.example.com"


def test_gh_before_that_and_in_its_own_folder(user, services) -> None:
    token = "gho_" + canary.fresh()
    text = f"github.com:\n    user: ada\n    oauth_token: {token}\n    git_protocol: ssh\n"
    here(user, "gh/hosts.yml", text)
    (found,) = find(with_environ(user, GH_CONFIG_DIR=f"{user.folder}/gh"), services, ["gh"])
    assert values(found) == {"github_token": token}


@pytest.mark.parametrize(
    "text",
    [
        "github.com:\n    user: ada\n",
        "",
        "- a list\n",
        "github.com: [",
        "a: &a [*a]\n",
        "\x80oauth_token: 1",
    ],
)
def test_gh_without_tokens_has_nothing(user, services, text) -> None:
    at_home(user, ".config/gh/hosts.yml", text)
    assert find(user, services, ["gh"]) == []


# -- gcloud and token.json -----------------------------------------------------------------


def adc(**changes) -> str:
    return json.dumps(
        {
            "account": "",
            "client_id": "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
            "client_secret": canary.fresh("client"),
            "quota_project_id": "my-project",
            "refresh_token": "1//" + canary.fresh("refresh"),
            "type": "authorized_user",
            "universe_domain": "googleapis.com",
        }
        | changes,
        indent=2,
    )


def test_gclouds_credentials_belong_to_its_own_app_and_do_not_say_what_for(user, services) -> None:
    path = at_home(user, ".config/gcloud/application_default_credentials.json", adc())
    (found,) = find(user, services, ["gcloud"])
    assert (found.path, found.whole, found.foreign_app) == (path, True, "gcloud")
    assert "does not say" in found.why_not
    assert "--as SERVICE@INSTANCE" in found.hint
    assert found.grant.refresh_token.reveal().startswith("1//")


def test_gclouds_credentials_where_variables_say(user, services) -> None:
    here(user, "named.json", adc())
    here(user, "sdk/application_default_credentials.json", adc())
    where = with_environ(
        user, GOOGLE_APPLICATION_CREDENTIALS="named.json", CLOUDSDK_CONFIG=f"{user.folder}/sdk"
    )
    found = find(where, services, ["gcloud"])
    assert [os.path.basename(f.path) for f in found] == [
        "named.json",
        "application_default_credentials.json",
    ]


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        ("service_account", "key of a service account"),
        ("external_account", "no secret in it"),
        ("impersonated_service_account", "login as a service account"),
        ("other", "no login of a person"),
    ],
)
def test_other_kinds_of_google_credentials_say_what_they_are(user, services, kind, why) -> None:
    path = here(user, "key.json", adc(type=kind))
    (found,) = find_in(path, user, services)
    assert why in found.why_not


def token_json(*scopes: str, **changes) -> str:
    return json.dumps(
        {
            "token": "ya29." + canary.fresh("access"),
            "refresh_token": "1//" + canary.fresh("refresh"),
            "token_uri": "https://oauth2.googleapis.com/token",
            "client_id": "1234567890-example.apps.googleusercontent.com",
            "client_secret": canary.fresh("client"),
            "scopes": list(scopes),
            "universe_domain": "googleapis.com",
            "account": "",
            "expiry": "2025-06-27T08:38:04.924450Z",
        }
        | changes
    )


def test_token_json_is_for_the_services_of_its_scopes(user, services) -> None:
    here(user, "token.json", token_json(f"{DRIVE}.metadata.readonly", f"{DRIVE[:-5]}gmail.send"))
    drive, gmail = sorted(find(user, services, ["token"]), key=lambda f: f.service, reverse=True)
    assert (drive.service, drive.at) == ("google_drive", "for google_drive")
    assert gmail.service == "gmail"
    assert drive.app.client_id == "1234567890-example.apps.googleusercontent.com"
    assert drive.grant.scopes == (f"{DRIVE}.metadata.readonly", f"{DRIVE[:-5]}gmail.send")
    assert drive.grant.expires == pytest.approx(1751013484.92445)
    assert (drive.whole, drive.foreign_app, drive.notices) == (True, "", ())


@pytest.mark.parametrize(
    ("scope", "service"),
    [
        (DRIVE, "google_drive"),
        (f"{DRIVE}.file", "google_drive"),
        ("https://mail.google.com/", "gmail"),
        (f"{DRIVE[:-5]}calendar.events", "google_calendar"),
        (f"{DRIVE[:-5]}spreadsheets", "google_sheets"),
        (f"{DRIVE[:-5]}documents.readonly", "google_docs"),
        (f"{DRIVE[:-5]}youtube.upload", "youtube"),
    ],
)
def test_each_google_service_is_known_by_its_scope(user, services, scope, service) -> None:
    here(user, "token.json", token_json("openid", scope))
    assert [found.service for found in find(user, services, ["token"])] == [service]


def test_the_older_librarys_file_is_read_as_well(user, services) -> None:
    text = json.dumps(
        {
            "access_token": "ya29." + canary.fresh(),
            "client_id": "1234567890-example.apps.googleusercontent.com",
            "client_secret": canary.fresh(),
            "refresh_token": "1//" + canary.fresh(),
            "token_expiry": "2020-01-01T00:00:00Z",
            "token_uri": "https://www.googleapis.com/oauth2/v4/token",
            "user_agent": None,
            "revoke_uri": "https://oauth2.googleapis.com/revoke",
            "scopes": DRIVE,
            "invalid": False,
            "_class": "OAuth2Credentials",
            "_module": "oauth2client.client",
        }
    )
    (found,) = find_in(here(user, "mycreds.txt", text), user, services)
    assert (found.source, found.service) == ("token", "google_drive")
    assert found.token_endpoint == "https://oauth2.googleapis.com/token"


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"scopes": ["https://other.example/scope"]}, "none is for its scopes (scope)"),
        ({"scopes": None}, "does not say"),
        ({"token_uri": "https://evil.example/token"}, "none is for its scopes"),
        ({"refresh_token": None}, "no login of a person"),
        ({"client_id": 7}, "no login of a person"),
    ],
)
def test_a_token_json_that_fits_nothing_says_why(user, services, changes, why) -> None:
    here(user, "token.json", token_json(DRIVE, **changes))
    (found,) = find(user, services, ["token"])
    assert why in found.why_not


class Payload:
    """What runs when it is unpickled: makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["token.pickle", "token.json", "other"])
def test_a_pickle_is_told_and_never_unpickled(user, services, tmp_path, protocol, name) -> None:
    ran = tmp_path / "ran"
    data = pickle.dumps(Payload(str(ran)), protocol)
    Path(user.folder, name).write_bytes(data)
    (found,) = find_in(os.path.join(user.folder, name), user, services)
    assert "pickle" in found.why_not
    assert "arcrun setup" in found.hint
    assert not ran.exists()
    pickle.loads(data)
    assert ran.exists(), "the payload does nothing: the test proves nothing"


# -- rclone --------------------------------------------------------------------------------


def rclone_token(**changes) -> str:
    return json.dumps(
        {
            "access_token": canary.fresh("access"),
            "token_type": "Bearer",
            "refresh_token": canary.fresh("refresh"),
            "expiry": "2026-01-02T03:04:05.123456789+01:00",
        }
        | changes
    )


def test_rclones_logins_with_an_app_of_ones_own(user, services) -> None:
    secret, token = canary.fresh("client"), rclone_token()
    at_home(
        user,
        ".config/rclone/rclone.conf",
        f"""[backup]
type = drive
client_id = 1234567890-example.apps.googleusercontent.com
client_secret = {secret}
scope = drive.readonly,drive.file
token = {token}
team_drive =

[shared]
type = dropbox
token = {rclone_token()}

[one]
type = onedrive
client_id = 11111111-2222-3333-4444-555555555555
token = {rclone_token()}
drive_type = personal

[odd]
type = jottacloud
token = {rclone_token()}

[server]
type = sftp
pass = {canary.fresh("obscured")}

[broken]
type = dropbox
client_id = x
token = {{"access_token
""",
    )
    backup, shared, one, odd, broken = find(user, services, ["rclone"])
    assert (backup.service, backup.name, backup.at) == (
        "google_drive",
        "backup",
        "[backup] token",
    )
    assert backup.app.client_secret.reveal() == secret
    assert backup.grant.scopes == (f"{DRIVE}.readonly", f"{DRIVE}.file")
    assert backup.grant.expires == pytest.approx(1767319445.123456)
    assert original(backup) == f"client_secret = {secret}\ntoken = {token}\n"
    assert backup.notices == ()
    assert "only rclone has" in shared.why_not
    assert shared.hint == "arcrun setup dropbox"
    assert shared.grant is None
    assert one.service == "microsoft_graph"
    assert "rclone may lose it" in one.notices[0]
    assert odd.why_not == "there is no recipe for jottacloud"
    assert broken.why_not == "its token is damaged"


def test_an_encrypted_rclone_conf_stays_closed(user, services) -> None:
    text = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n"
    at_home(user, ".rclone.conf", text)
    (found,) = find(user, services, ["rclone"])
    assert "encrypted" in found.why_not
    assert not found.removable


def test_rclones_s3_needs_a_recipe(user, services) -> None:
    path = here(
        user,
        "r.conf",
        f"[a]\ntype = s3\nprovider = Minio\naccess_key_id = AKIA\n"
        f"secret_access_key = {canary.fresh()}\n",
    )
    where = with_environ(user, RCLONE_CONFIG=path)
    (found,) = find(where, services, ["rclone"])
    assert found.why_not == "there is no recipe for Minio"


# -- AWS -----------------------------------------------------------------------------------

AWS = """\
service: aws
primitive: static_key
base_url: https://sts.amazonaws.com
params:
  region: {label: Region, default: us-east-1}
required_secrets:
  - {key: access_key_id}
  - {key: secret_access_key}
  - {key: session_token, optional: true}
inject: {header: {X-Key: "{{secret.access_key_id}}"}}
"""


@pytest.fixture
def with_aws(tmp_path) -> Services:
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "aws.yaml").write_text(AWS)
    return Services(Catalog(tmp_path / "home"))


def credentials(user: Where) -> tuple[str, str]:
    work, temporary = canary.fresh("work"), canary.fresh("temporary")
    at_home(
        user,
        ".aws/credentials",
        f"""# mine
[default]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = {work}

[temp]
aws_access_key_id=ASIAEXAMPLE
aws_secret_access_key={temporary}
aws_session_token={canary.fresh("session")}
""",
    )
    at_home(
        user,
        ".aws/config",
        """[default]
region = eu-central-1
s3 =
  max_concurrent_requests = 20
[profile temp]
region = us-west-2
[profile sso]
sso_start_url = https://example.awsapps.com/start
""",
    )
    return work, temporary


def test_aws_profiles_become_instances_with_their_region(user, with_aws) -> None:
    work, temporary = credentials(user)
    first, second = find(user, with_aws, ["aws"])
    assert (first.service, first.name, first.at) == ("aws", "default", "[default]")
    assert values(first) == {"access_key_id": "AKIAEXAMPLE", "secret_access_key": work}
    assert first.params == {"region": "eu-central-1"}
    assert original(first) == (f"aws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = {work}\n")
    assert values(second)["session_token"].startswith(canary.WORD)
    assert (second.name, second.params) == ("temp", {"region": "us-west-2"})
    assert "temporary" in second.notices[0]
    assert temporary in values(second).values()


def test_aws_where_variables_say(user, with_aws) -> None:
    text = f"[profile x]\naws_access_key_id = A\naws_secret_access_key = {canary.fresh()}\n"
    path = here(user, "c", text)
    where = with_environ(user, AWS_SHARED_CREDENTIALS_FILE="~/none", AWS_CONFIG_FILE=path)
    (found,) = find(where, with_aws, ["aws"])
    assert found.name == "x"


def test_rclones_s3_of_aws(user, with_aws) -> None:
    secret = canary.fresh()
    path = here(
        user,
        "r.conf",
        f"[a]\ntype = s3\nprovider = AWS\naccess_key_id = AKIA\nsecret_access_key = {secret}\n",
    )
    (found,) = find_in(path, user, with_aws)
    assert values(found) == {"access_key_id": "AKIA", "secret_access_key": secret}


def test_a_catalogue_without_aws_says_so(user, tmp_path) -> None:
    class WithoutAws(Services):
        def account(self, name: str) -> str:
            return ""

    credentials(user)
    found = find(user, WithoutAws(Catalog(tmp_path / "none")), ["aws"])
    assert {each.why_not for each in found} == {"there is no recipe for AWS"}


def test_a_configuration_that_cannot_be_read_only_names_no_region(user, with_aws) -> None:
    credentials(user)
    config = os.path.join(user.home, ".aws", "config")
    os.unlink(config)
    os.mkdir(config)
    first, second, unread = find(user, with_aws, ["aws"])
    assert first.params == second.params == {}
    assert unread.why_not == "it is a folder"


# -- .env ----------------------------------------------------------------------------------


def test_variables_are_known_by_the_names_of_the_recipes(user, services) -> None:
    notion, openai = canary.fresh("notion"), canary.fresh("openai")
    here(
        user,
        ".env",
        f"# my keys\nDEBUG=1\nexport NOTION_TOKEN='{notion}'\n"
        f'ARCRUN_OPENAI_API_KEY="{openai}" # for tests\nDATABASE_URL=${{HOST}}/x\n',
    )
    found = {each.service: each for each in find(user, services, ["env"])}
    assert set(found) == {"notion", "openai"}
    assert values(found["notion"]) == {"notion_token": notion}
    assert found["notion"].at == "NOTION_TOKEN (line 3)"
    assert original(found["notion"]) == f"export NOTION_TOKEN='{notion}'\n"
    assert values(found["openai"]) == {"openai_api_key": openai}


def test_a_service_with_two_secrets_wants_both(user, services) -> None:
    sid, token = "AC" + "0" * 32, canary.fresh()
    here(user, ".env", f"TWILIO_ACCOUNT_SID={sid}\n")
    here(user, ".env.local", f"TWILIO_ACCOUNT_SID={sid}\nX=1\nTWILIO_AUTH_TOKEN={token}\n")
    half, whole = find(user, services, ["env"])
    assert "twilio needs twilio_auth_token as well" in half.why_not
    assert whole.at == "TWILIO_ACCOUNT_SID, TWILIO_AUTH_TOKEN (line 1, line 3)"
    assert set(values(whole)) == {"twilio_account_sid", "twilio_auth_token"}
    assert "X=1" not in original(whole)


def test_a_value_is_known_by_its_beginning_if_one_service_alone_begins_so(user, services) -> None:
    here(
        user,
        ".env",
        "MY_KEY=hf_AAAAAAAAAAAAAAAA0000\n"
        "CLAUDE=sk-ant-AAAAAAAAAAAAAAA0\n"
        "AMBIGUOUS=sk-AAAAAAAAAAAAAAAAA0\n"
        "SHORT=hf_A0\n"
        "WORDS=re_build_everything_always\n"
        "HEX=0123456789abcdef0123456789abcdef\n",
    )
    found = {each.at.split(" ")[0]: each for each in find(user, services, ["env"])}
    assert {at: each.service for at, each in found.items()} == {
        "MY_KEY": "huggingface",
        "CLAUDE": "anthropic",
    }
    assert "Only its beginning" in found["MY_KEY"].notices[0]


def test_samples_of_env_files_are_no_env_files(user, services) -> None:
    for name in (".env.example", ".env.sample", ".environment", "x.env"):
        here(user, name, "NOTION_TOKEN=ntn_x\n")
    assert find(user, services, ["env"]) == []


def test_of_a_variable_that_is_set_twice_the_last_counts(user, services) -> None:
    new = canary.fresh("new")
    text = f"NOTION_TOKEN={new}\nNOTION_TOKEN={canary.fresh('old')}\nNOTION_TOKEN={new}\n"
    here(user, ".env", text)
    (found,) = find(user, services, ["env"])
    assert values(found) == {"notion_token": new}
    assert original(found) == f"NOTION_TOKEN={new}\n" * 2


# -- netrc ---------------------------------------------------------------------------------


def test_machines_whose_api_a_recipe_knows(user, services) -> None:
    api, git = "plain-" + canary.fresh("api"), "ghp_AAAAAAAAAAAAAAAA0000"
    at_home(
        user,
        ".netrc",
        f"""machine api.github.com login ada password {api}
machine github.com
  login ada
  password {git}
machine github.com login bob password my-account-password
machine ftp.example.com login ada password x
default login anonymous password guest
""",
    )
    first, second = find(user, services, ["netrc"])
    assert (first.service, first.at) == ("github", "machine api.github.com (line 1)")
    assert values(first) == {"github_token": api}
    assert values(second) == {"github_token": git}
    assert original(second) == f"machine github.com\n  login ada\n  password {git}\n"


def test_login_and_password_are_where_the_recipe_puts_them(user, services) -> None:
    key = canary.fresh("twilio")
    path = here(
        user,
        "n",
        f"machine api.stripe.com login {key}\n"
        f'machine api.twilio.com login AC0 password "{key}"\n'
        "machine api.twilio.com login AC1\n",
    )
    where = with_environ(user, NETRC=path)
    stripe, twilio, half = find(where, services, ["netrc"])
    assert stripe.why_not == "its login and password are not what stripe takes"
    assert values(twilio) == {"twilio_account_sid": "AC0", "twilio_auth_token": key}
    assert half.why_not == "its login and password are not what twilio takes"


def test_what_is_no_netrc_says_from_where_on(user, services) -> None:
    at_home(user, ".netrc", "machine a login b\nnonsense\n")
    (found,) = find(user, services, ["netrc"])
    assert found.why_not == "it is no netrc from line 2 on"


# -- the keyring ---------------------------------------------------------------------------


class Backend:
    """A keyring of what programs in Go put there."""

    def __init__(self, items: dict[tuple[str, str], str]) -> None:
        self.items = items
        self.asked: list[tuple[str, str]] = []

    def get_password(self, service: str, username: str) -> str | None:
        self.asked.append((service, username))
        return self.items.get((service, username))


def test_items_of_the_keyring_are_asked_for_by_the_names_that_we_know(user, services) -> None:
    active, bob = "gho_" + canary.fresh("active"), "gho_" + canary.fresh("bob")
    encoded = "go-keyring-base64:" + base64.b64encode(active.encode()).decode()
    backend = Backend(
        {
            ("gh:github.com", ""): encoded,
            ("gh:github.com", "ada"): encoded,
            ("gh:github.com", "bob"): bob,
            ("glab:gitlab.com", ""): "go-keyring-base64:%%%",
            ("chrome", ""): "not ours",
        }
    )
    at_home(user, ".config/gh/hosts.yml", "github.com:\n    users:\n        ada:\n        bob:\n")
    found = find(user, services, ["keyring"], keyring=OSKeyring(lambda: backend))
    assert [(each.at, values(each)) for each in found] == [
        ("gh:github.com", {"github_token": active}),
        ("gh:github.com, user bob", {"github_token": bob}),
    ]
    assert not any(each.removable for each in found)
    assert {name.split(":")[0] for name, _ in backend.asked} == {"gh", "glab"}


def test_a_keyring_that_does_not_answer_is_told_once(user, services) -> None:
    def absent():
        raise Unavailable("the OS keyring is locked")

    (found,) = find(user, services, ["keyring"], keyring=OSKeyring(absent))
    assert found.why_not == "the OS keyring is locked"


# -- files ---------------------------------------------------------------------------------


def test_a_file_is_told_by_its_content(user, services) -> None:
    kinds = {
        "gh": "github.com:\n    oauth_token: gho_x\n",
        "gcloud": adc(),
        "token": token_json(DRIVE),
        "rclone": f"[a]\ntype = dropbox\nclient_id = x\ntoken = {rclone_token()}\n",
        "aws": "[default]\naws_access_key_id = A\naws_secret_access_key = B\n",
        "netrc": "machine api.github.com login a password b\n",
        "env": "NOTION_TOKEN=ntn_x\n",
    }
    for kind, text in kinds.items():
        found = find_in(here(user, "file", text), user, services)
        assert {each.source for each in found} == {kind}


def test_a_file_of_no_kind_and_one_that_is_not_there(user, services) -> None:
    with pytest.raises(AuthError, match="nothing that can be taken in"):
        find_in(here(user, "file", "hello"), user, services)
    with pytest.raises(AuthError, match="There is no file"):
        find_in(f"{user.folder}/none", user, services)
    with pytest.raises(AuthError, match="it is a folder"):
        find_in(user.folder, user, services)


def test_a_file_that_cannot_be_read_is_a_finding_that_says_so(user, services) -> None:
    os.mkdir(os.path.join(user.home, ".netrc"))
    os.makedirs(os.path.join(user.home, ".config", "gh"))
    os.mkfifo(os.path.join(user.home, ".config", "gh", "hosts.yml"))
    os.mkdir(os.path.join(user.home, ".aws"))
    Path(user.home, ".aws", "credentials").write_bytes(b"x" * ((1 << 20) + 1))
    found = {each.source: each.why_not for each in find(user, services)}
    assert found == {
        "netrc": "it is a folder",
        "gh": "it is no file",
        "aws": "it is larger than 1 MiB: it is something else",
    }


def test_a_file_that_the_system_does_not_open_says_why(user) -> None:
    path = os.path.join(user.folder, "loop")
    os.symlink(path, path)
    with pytest.raises(Unreadable, match="cannot be read: Too many levels"):
        read_file(path)


def test_places_that_are_gone_or_damaged_are_passed_over(user, services, monkeypatch) -> None:
    gone = Where({}, user.home, f"{user.folder}/gone", "linux")
    assert find(gone, services, ["env"]) == []
    os.makedirs(os.path.join(user.home, ".config", "gh", "hosts.yml"))
    ring = OSKeyring(lambda: Backend({}))
    assert find(user, services, ["keyring"], keyring=ring) == []
    with pytest.raises(AuthError, match="nothing that can be taken in"):
        find_in(here(user, "t.json", '{"refresh_token": '), user, services)
    monkeypatch.setattr(os, "getcwd", _no_folder)
    assert Where.here({}).folder == Where.here({}).home


def _no_folder() -> str:
    raise FileNotFoundError  # what the system says where the folder was deleted under us


def test_services_without_a_fitting_key_are_none(services) -> None:
    assert services.keyed_way("notion", "access_key_id") == ""
    assert services.key_way("twilio") is None
    assert services.first(["nothing"]) == ""


def test_bytes_that_are_no_text_come_back_as_they_were(user) -> None:
    path = os.path.join(user.folder, "f")
    data = bytes(range(256)) + "ä€".encode()
    Path(path).write_bytes(data)
    assert read_file(path).text.encode("utf-8", "surrogateescape") == data


def test_a_finding_shows_no_value(user, services) -> None:
    here(user, "token.json", token_json(DRIVE))
    here(user, ".env", f"NOTION_TOKEN={canary.fresh()}\n")
    for found in find(user, services):
        assert not canary.hits(repr(found))
    assert not canary.hits(repr(File("p", canary.fresh())))


def test_paths_are_short_and_windows_has_its_own(user) -> None:
    assert user.short(f"{user.home}/.netrc") == "~/.netrc"
    assert user.short(f"{user.folder}/.env") == ".env"
    assert user.short("/etc/x") == "/etc/x"
    windows = Where({"APPDATA": "C:/Roaming"}, user.home, user.folder, "win32")
    assert windows.config("gh", "GitHub CLI") == os.path.join("C:/Roaming", "GitHub CLI")
    assert Where.here({}).folder == os.getcwd()
