"""An app that a person brings along: the way through the console, and what is typed at its end."""

from __future__ import annotations

import json

import msgspec
import pytest

from arcrun_auth import apps, browser
from arcrun_auth.apps import guide
from arcrun_auth.errors import AuthError, MissingSecret
from arcrun_auth.people import Nobody
from arcrun_auth.recipe.model import ClientAuth, GuideStep, Method, OAuth2, Redirect
from arcrun_auth.tokens import Secret
from tests import canary
from tests.unit.test_apps import CERTIFICATE, PEM
from tests.world import Told

PATTERN = {"id_pattern": r"\.apps\.example$", "id_example": "0000.apps.example"}
ID = "1.apps.example"


def way(*steps: GuideStep, **client) -> Method:
    return Method(
        id="oauth",
        primitive="oauth2",
        oauth2=OAuth2(
            token_endpoint="https://example.com/token",
            scope_separator=",",
            client=ClientAuth(**client),
            redirect=Redirect(policy="fixed_port", host="localhost", ports=(8423, 8424)),
        ),
        app_guide=steps,
        app_register_url="https://example.com/apps",
    )


PUBLIC = {"auth": "none", "secret_required": False}
MAKE = GuideStep(text="Make an app", url="https://example.com/apps")
PASTE = GuideStep(text="Paste these", value="{{redirect_uri}}")
SCOPES = GuideStep(text="Add these", url="https://example.com/scopes", value="{{scopes}}")


def asked(person, *steps, open_url=None, given=None, **client):
    return apps.ask(
        "drive", "Drive", way(*steps, **client), ["read", "write"], person,
        open_url=open_url, given=given,
    )  # fmt: skip


# -- the console, step by step -------------------------------------------------------------


def test_each_step_is_counted_and_waits_and_its_values_stand_alone_on_their_lines() -> None:
    person = Told("", "", "id-1")
    asked(person, MAKE, PASTE, SCOPES, **PUBLIC)
    said = "\n".join(person.said).split("\n")
    for line in (
        "Step 1 of 3", "Step 3 of 3", "  https://example.com/scopes", "read", "write",
        "http://localhost:8423/callback", "http://localhost:8424/callback",
    ):  # fmt: skip
        assert line in said, line
    assert person.asked[:2] == ["Enter when that is done"] * 2
    assert "Client ID" in person.asked[2]


def test_a_value_among_words_is_joined_as_the_recipe_separates() -> None:
    step = GuideStep(text="", value="scope={{scopes}}")
    assert guide.values(step, way(), ["read", "write"]) == ("scope=read,write",)
    assert guide.values(MAKE, way(), []) == ()


def test_the_pages_are_offered_and_a_step_can_be_skipped() -> None:
    opened: list[str] = []
    person = Told("", "", "s", "", "id-1")
    asked(person, MAKE, SCOPES, MAKE, open_url=opened.append, **PUBLIC)
    assert opened == ["https://example.com/apps"] * 2
    assert person.asked.count("Enter opens this page, s skips the step") == 3


def failing(url):
    raise OSError(url)


@pytest.mark.parametrize(
    ("shows", "why"),
    [(lambda _: browser.NotOpened("no screen"), "no screen"), (failing, "OSError")],
)
def test_a_page_that_cannot_be_opened_is_said_so_and_left_to_the_person(shows, why) -> None:
    person = Told("", "", "", "id-1")
    asked(person, MAKE, MAKE, PASTE, open_url=shows, **PUBLIC)
    assert f"The page could not be opened ({why}): open it yourself." in person.said
    offers, waits = "Enter opens this page, s skips the step", "Enter when that is done"
    assert person.asked[:3] == [offers, waits, waits]  # what does not work is offered once


def test_an_address_that_needs_a_param_is_not_offered() -> None:
    step = GuideStep(text="Go", url="https://{{param.shop}}.example.com")
    opened: list[str] = []
    asked(Told("id-1"), step, open_url=opened.append, **PUBLIC)
    assert opened == []


def test_without_a_browser_nothing_is_offered(monkeypatch) -> None:
    # The machine's own browser: what there is of it must not decide about this test.
    monkeypatch.setattr(browser, "available", lambda: False)
    person = Told("id-1")
    asked(person, MAKE, open_url=browser.open_url, **PUBLIC)
    assert "Client ID" in person.asked[0]


def test_whoever_leaves_in_the_middle_is_not_waited_for_again() -> None:
    for open_url in (None, lambda url: None):
        person = Told()
        with pytest.raises(MissingSecret):
            asked(person, MAKE, MAKE, SCOPES, open_url=open_url)
        assert len(person.asked) == 2


class AtADesk(Told):
    @property
    def reach(self):
        return "notebook"


def test_only_a_terminal_waits_step_by_step() -> None:
    person = AtADesk("id-1")
    asked(person, MAKE, SCOPES, **PUBLIC)
    assert len(person.asked) == 1


def test_without_a_guide_the_page_and_the_redirect_uris_are_shown() -> None:
    person = Told("id-1")
    asked(person, **PUBLIC)
    shown = "\n".join(person.said)
    assert "https://example.com/apps" in shown
    assert "\nhttp://localhost:8424/callback\n" in shown


# -- what is typed -------------------------------------------------------------------------


def test_an_id_that_does_not_look_like_one_can_be_corrected() -> None:
    person = Told("wrong", ID, yes=False)
    assert asked(person, **PATTERN, **PUBLIC).client_id == ID
    assert any("0000.apps.example" in text for text in person.said)


def test_or_taken_all_the_same() -> None:
    person = Told("odd", yes=True)
    assert asked(person, **PATTERN, **PUBLIC).client_id == "odd"
    assert "Take it all the same?" in person.asked


def test_a_secret_in_place_of_the_id_is_recognized_and_not_repeated() -> None:
    secret = f"secret_{canary.fresh()}"
    person = Told(secret, "id-1", yes=False)
    assert asked(person, **PUBLIC).client_id == "id-1"
    assert any("looks like a secret" in text for text in person.said)
    assert secret not in "".join(person.said + person.asked)


def test_after_three_tries_it_is_an_error() -> None:
    person = Told("one", "two", "three", ID, yes=False)
    with pytest.raises(AuthError, match="not taken"):
        asked(person, **PATTERN, **PUBLIC)
    assert person.lines == [ID]


def test_white_space_is_removed_and_that_is_said() -> None:
    secret = canary.fresh()
    person = Told(" id-1\t", f"{secret} ")
    app = asked(person)
    assert (app.client_id, app.client_secret) == ("id-1", Secret(secret))
    assert person.said.count("White space around it was removed.") == 2


def test_the_id_typed_again_is_no_secret() -> None:
    secret = canary.fresh()
    person = Told("id-1", "id-1", "", secret)
    assert asked(person).client_secret == Secret(secret)
    assert "Nothing was typed." in person.said


def test_id_and_secret_in_each_other_s_place_are_put_right() -> None:
    secret = canary.fresh()
    app = asked(Told(secret, ID, yes=True), **PATTERN)
    assert (app.client_id, app.client_secret) == (ID, Secret(secret))


def test_unless_the_person_says_that_they_are_right() -> None:
    class Stands(Told):
        def confirm(self, question: str) -> bool:
            return "all the same" in question

    app = asked(Stands("odd", ID), **PATTERN)
    assert (app.client_id, app.client_secret) == ("odd", Secret(ID))


def test_a_second_id_is_taken_as_a_secret_only_with_a_word() -> None:
    other, secret = "2.apps.example", canary.fresh()
    assert asked(Told(ID, other, yes=True), **PATTERN).client_secret == Secret(other)
    assert asked(Told(ID, other, secret, yes=False), **PATTERN).client_secret == Secret(secret)


def test_a_file_is_named_instead_even_as_a_terminal_pastes_it(tmp_path) -> None:
    path = tmp_path / "client.json"
    path.write_text(json.dumps({"installed": {"client_id": "id-9"}}))
    person = Told(str(tmp_path / "no.json"), f"'{path}'")
    assert asked(person, **PUBLIC).client_id == "id-9"
    assert any("cannot be read" in text for text in person.said)


def test_a_file_without_the_secret_leaves_that_to_be_asked() -> None:
    secret = canary.fresh()
    person = Told('{"client_id": "id-9", "key_id": "k"}', secret)
    app = asked(person)
    assert (app.client_id, app.client_secret, app.key_id) == ("id-9", Secret(secret), "k")


def test_an_address_of_one_s_own_is_what_the_guide_says_to_register() -> None:
    own = "https://app.example.com/callback"
    for steps in ((MAKE, PASTE), ()):
        person = Told("", "", "id-1") if steps else Told("id-1")
        app = asked(person, *steps, given=apps.App("", redirect_uri=own), **PUBLIC)
        assert (app.client_id, app.redirect_uri) == ("id-1", own)
        said = "\n".join(person.said).split("\n")
        assert own in said
        assert not any("localhost" in line for line in said)
    # What was chosen on the command line stands over what a file names.
    named = json.dumps({"client_id": "id-9", "redirect_uri": "https://other.example/"})
    assert asked(Told(named), given=apps.App("", redirect_uri=own), **PUBLIC).redirect_uri == own
    assert asked(Told(named), **PUBLIC).redirect_uri == "https://other.example/"


# -- keys and certificates -----------------------------------------------------------------


def test_a_key_is_asked_for_by_its_path(tmp_path) -> None:
    (tmp_path / "key.pem").write_text(PEM + "\n")
    (tmp_path / "public.pem").write_text("-----BEGIN PUBLIC KEY-----")
    person = Told("id-1", "", str(tmp_path / "public.pem"), str(tmp_path / "key.pem"), " k1 ")
    app = asked(person, auth="private_key_jwt")
    assert (app.private_key, app.key_id) == (Secret(PEM), "k1")
    assert any("public half" in text for text in person.said)
    assert person.hidden == []


def test_a_certificate_with_its_key(tmp_path) -> None:
    (tmp_path / "key.pem").write_text(PEM)
    (tmp_path / "own.crt").write_text(CERTIFICATE)
    person = Told("id-1", str(tmp_path / "own.crt"), str(tmp_path / "key.pem"))
    app = asked(person, auth="tls_client_auth")
    assert (app.certificate, app.private_key) == (Secret(CERTIFICATE), Secret(PEM))


def test_what_is_given_is_looked_at_and_not_asked_for() -> None:
    given = apps.App("id-1", private_key=Secret(PEM), key_id="k")
    person = Told("ignored")
    app = apps.fill(given, "drive", way(auth="private_key_jwt"), person)
    assert (app.client_id, app.key_id, person.asked) == ("id-1", "k", [])
    wrong = apps.App("id-1", certificate=Secret(PEM))
    with pytest.raises(AuthError, match="no certificate"):
        apps.fill(wrong, "drive", way(auth="tls_client_auth"), person)


def test_where_nobody_is_what_is_missing_is_named() -> None:
    for app, auth, part in (
        (apps.App(""), "post", "client_id"),
        (apps.App("id-1"), "post", "client_secret"),
        (apps.App("id-1"), "private_key_jwt", "private_key"),
        (apps.App("id-1"), "tls_client_auth", "certificate"),
    ):
        with pytest.raises(MissingSecret) as caught:
            apps.fill(app, "drive", way(auth=auth), Nobody())
        assert caught.value.key == part
    with pytest.raises(AuthError, match="does not look like"):
        apps.fill(apps.App("odd"), "drive", way(**PATTERN), Nobody())
    assert apps.fill(apps.App("id-1"), "drive", way(secret_required=False), Nobody())


def test_a_redirect_uri_with_a_free_port_is_none_that_a_web_client_could_have() -> None:
    free = way()
    assert free.oauth2 is not None
    free = msgspec.structs.replace(
        free, oauth2=msgspec.structs.replace(free.oauth2, redirect=Redirect())
    )
    assert guide.redirects(free) == ("http://127.0.0.1/callback",)
    assert guide.exact(free) == ()
