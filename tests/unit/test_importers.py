"""Logins and keys that command-line tools keep, in their own formats: what is found, and where."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest

from arcrun_auth.catalog import Catalog
from arcrun_auth.importers import Services, Where, find, find_in
from tests import canary
from tests.unit.importers_kit import (
    DRIVE,
    adc,
    at_home,
    here,
    original,
    rclone_token,
    services,
    token_json,
    user,
    values,
    with_environ,
)  # fmt: skip

__all__ = ["services", "user"]

# -- gh ----------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "text",
    [
        "github.com: {{oauth_token: {0}, user: me}}\n",
        "github.com:\n    oauth_token: >-\n        {0}\n    user: me\n",
        "github.com:\n    ? oauth_token\n    : {0}\n    user: me\n",
        "github.com:\n    oauth_token: {0} # why\n    user: me\n",
        "github.com:\n users:\n  me:\n   oauth_token: &a {0}\n oauth_token: *a\n user: me\n",
    ],
)
def test_gh_s_file_in_another_shape_of_yaml_is_read_and_left_as_it_is(user, services, text) -> None:
    token = "gho_" + canary.fresh()
    at_home(user, ".config/gh/hosts.yml", text.format(token))
    (found,) = find(user, services, ["gh"])
    assert values(found) == {"github_token": token}
    assert not found.removable


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


# -- gcloud and token.json ---------------------------------------------------------------


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
    path = here(user, "my key.json", adc(type=kind))
    (found,) = find_in(path, user, services)
    assert why in found.why_not
    what_next = f"arcrun setup SERVICE --service-account '{path}'"
    assert found.hint == ("" if kind == "other" else what_next)


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


# -- rclone ------------------------------------------------------------------------------


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
    assert one.service == "onedrive"
    assert "rclone may lose it" in one.notices[0]
    assert odd.why_not == "there is no recipe for jottacloud"
    assert broken.why_not == "its token is damaged"


def test_an_encrypted_rclone_conf_stays_closed(user, services) -> None:
    text = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAA\n"
    at_home(user, ".rclone.conf", text)
    (found,) = find(user, services, ["rclone"])
    assert "encrypted" in found.why_not
    assert not found.removable


def test_a_recipe_from_elsewhere_does_not_claim_a_host_that_one_of_ours_knows(user, tmp_path):
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "another.yaml").write_text(
        "service: another\nprimitive: static_key\nbase_url: https://api.another.example\n"
        "allowed_hosts: [api.another.example, api.github.com]\nrequired_secrets: [{key: k}]\n"
        'inject: {header: {X-Key: "{{secret.k}}"}}\n'
    )
    lines = [
        f"machine {host} login a password {canary.fresh()}\n"
        for host in ("api.github.com", "api.another.example")
    ]
    at_home(user, ".netrc", "".join(lines))
    found = find(user, Services(Catalog(tmp_path / "home")), ["netrc"])
    assert [each.service for each in found] == ["github", "another"]


def test_a_quote_that_netrc_does_not_close_takes_no_other_entry_along(user, services) -> None:
    text = f'machine api.github.com login a password "{canary.fresh()}\nmachine b.example login c\n'
    at_home(user, ".netrc", text)
    (found,) = find(user, services, ["netrc"])
    assert found.why_not
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


# -- AWS ---------------------------------------------------------------------------------

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


@pytest.mark.parametrize("provider", ["", "provider = AWS\n"])
@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("http://minio.example:9000", False),
        ("s3.wasabi.example", False),
        ("https://amazonaws.com.evil.example", False),
        ("https://[", False),
        ("s3.eu-central-1.amazonaws.com", True),
    ],
)
def test_keys_for_another_store_than_aws_are_not_shown_to_aws(
    user, with_aws, provider, endpoint, own
) -> None:
    lines = f"access_key_id = A\nsecret_access_key = {canary.fresh()}\nendpoint = {endpoint}\n"
    path = here(user, "r.conf", f"[a]\ntype = s3\n{provider}{lines}")
    (found,) = find_in(path, user, with_aws)
    assert found.service == ("aws" if own else "")
    assert found.why_not == ("" if own else f"there is no recipe for {endpoint}")


@pytest.mark.parametrize("place", ["credentials", "config"])
def test_a_profile_of_another_store_than_aws_is_none(user, with_aws, place) -> None:
    credentials(user)
    path = Path(user.home, ".aws", place)
    path.write_text(path.read_text().replace("[default]", "[default]\nendpoint_url = https://r2.x"))
    first, second = find(user, with_aws, ["aws"])
    assert (first.service, first.secrets) == ("", {})
    assert "its keys are for https://r2.x" in first.why_not
    assert second.service == "aws"


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
