"""What the shipped recipes say to the errors that users of the big providers meet.

The answers have the form that the providers document. Nobody here can make the providers
themselves give them, so this shows only that a rule reads such an answer and that no rule
above it takes it away.
"""

# ruff: noqa: E501 - the rows of a table stay rows

from __future__ import annotations

import pytest

from arcrun_auth import diagnosis
from arcrun_auth.catalog import Catalog

DAY = 86400.0
GOOGLE, MICROSOFT, SLACK = "google_drive", "microsoft_graph", "slack"

# service, the answer (status, code, words, age of the login), a word of the meaning, of the remedy
ANSWERS = [
    (GOOGLE, 400, "invalid_grant", "Token has been expired or revoked.", 7.1 * DAY, "Testing", "Publish app"),
    (GOOGLE, 400, "invalid_grant", "Token has been expired or revoked.", 2.0 * DAY, "six months", "Log in again"),
    (GOOGLE, 400, "invalid_grant", "Token has been expired or revoked.", 200 * DAY, "six months", "Log in again"),
    (GOOGLE, 400, "invalid_grant", '{"error_subtype": "invalid_rapt"}', 7.1 * DAY, "session control", "administrator"),
    (GOOGLE, None, "redirect_uri_mismatch", "", 0.0, "Web application", "Desktop app"),
    (GOOGLE, None, "access_denied", "The app has not completed the Google verification process.", 0.0, "test users", "publish"),
    (GOOGLE, None, "access_denied", "", 0.0, "refused", "press Allow"),
    (GOOGLE, 403, "", '{"error": {"details": [{"reason": "SERVICE_DISABLED"}]}}', 0.0, "not enabled", "apis/library"),
    (GOOGLE, 403, "", '{"error": {"details": [{"reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}', 0.0, "lacks the scope", "every box"),
    (GOOGLE, 401, "invalid_client", "The OAuth client was not found.", 0.0, "client ID", "Compare"),
    (MICROSOFT, None, "invalid_request", "AADSTS50011: The redirect URI specified in the request does not match", 0.0, "redirect URI", "desktop applications"),
    (MICROSOFT, 401, "invalid_client", "AADSTS7000218: The request body must contain: 'client_secret'", 0.0, "public client flows", "Yes"),
    (MICROSOFT, 401, "invalid_client", "AADSTS7000222: The provided client secret keys are expired.", 0.0, "expired", "new one"),
    (MICROSOFT, 401, "invalid_client", "AADSTS7000215: Invalid client secret provided.", 0.0, "its value", "Value"),
    (MICROSOFT, 400, "invalid_grant", "AADSTS65001: The user or administrator has not consented", 0.0, "agreed", "accept"),
    (MICROSOFT, 400, "invalid_grant", "AADSTS700082: The refresh token has expired due to inactivity.", 0.0, "unused", "Log in again"),
    (MICROSOFT, 400, "invalid_grant", "AADSTS50173: The provided grant has expired due to it being revoked", 0.0, "withdrawn", "Log in again"),
    (MICROSOFT, 400, "unauthorized_client", "AADSTS700016: Application was not found in the directory", 0.0, "tenant", "client ID"),
    (MICROSOFT, 400, "interaction_required", "AADSTS50076: you must use multi-factor authentication", 0.0, "second factor", "Log in again"),
    (SLACK, 200, "missing_scope", '{"ok": false, "error": "missing_scope", "needed": "chat:write"}', 0.0, "lacks the scope", "reinstall"),
    (SLACK, 200, "bad_redirect_uri", '{"ok": false, "error": "bad_redirect_uri"}', 0.0, "not among", "to the letter"),
    (SLACK, 200, "", '{"ok": false, "error": "token_revoked"}', 0.0, "withdrawn", "Install"),
    (SLACK, 200, "invalid_refresh_token", '{"ok": false, "error": "invalid_refresh_token"}', 0.0, "used elsewhere", "one place"),
    ("notion", 404, "", '{"object": "error", "code": "object_not_found"}', 0.0, "not shared", "add the connection"),
    ("github", 400, "device_flow_disabled", "Device Flow must be explicitly enabled for this App", 0.0, "with a code", "Enable Device Flow"),
    ("github", 403, "", "Resource protected by organization SAML enforcement. You must grant your token access", 0.0, "single sign-on", "Configure SSO"),
    ("github", 403, "", "the organization has enabled OAuth App access restrictions", 0.0, "approved", "approval"),
    ("github", 200, "bad_verification_code", "The code passed is incorrect or expired.", 0.0, "expired", "Log in again"),
]  # fmt: skip


@pytest.fixture(scope="module")
def catalog(tmp_path_factory) -> Catalog:
    return Catalog(tmp_path_factory.mktemp("home"))


def rules(catalog: Catalog, service: str) -> tuple[diagnosis.Diagnosis, ...]:
    return catalog.recipe(service).way("oauth").diagnose


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: f"{row[0]}-{row[2] or row[3]}"[:60])
def test_a_known_error_is_explained(catalog, row) -> None:
    service, status, code, words, age, means, do = row
    found = diagnosis.find(
        rules(catalog, service), status=status, error=code, text=words or code, age=age
    )
    assert found is not None
    assert means in found.say
    assert do in found.do


@pytest.mark.parametrize("service", sorted({row[0] for row in ANSWERS}))
def test_an_unknown_error_is_not_explained_away(catalog, service) -> None:
    for status in (200, 400, 401, 403, 500):
        found = diagnosis.find(rules(catalog, service), status=status, error="mood", text="no luck")
        assert found is None


@pytest.mark.parametrize("service", sorted({row[0] for row in ANSWERS}))
def test_every_rule_says_what_to_do(catalog, service) -> None:
    assert all(rule.say and rule.do for rule in rules(catalog, service))
