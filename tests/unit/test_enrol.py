"""Connecting a service: what is asked, what is told, what is tried."""

from __future__ import annotations

import re
import threading
from urllib.parse import urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest
import yaml

from arcrun_auth import enrol, errors
from arcrun_auth.broker import Broker
from arcrun_auth.fields import of_param, of_secret
from arcrun_auth.recipe.model import Param, RequiredSecret
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import Provider
from arcrun_auth.tokens import Key, Secret
from tests import canary
from tests.world import Told, broker_for, home_with

HANG = 30
SHOP = """\
service: shop
primitive: static_key
display_name: Shop
base_url: "https://{{param.shop}}.example.com/{{param.region}}"
setup_url: https://example.com/keys
params:
  shop:
    label: Shop name
    help: The first part of its address.
    pattern: "[a-z]+"
    suffix: .example.com
  region: {type: enum, enum: [eu, us], default: eu}
required_secrets:
  - key: shop_key
    label: Key
    help: From your profile.
    help_url: https://example.com/help
    pattern: "sk_.*"
    example: sk_123
  - {key: shop_extra, label: Extra, optional: true}
inject:
  header: {X-Key: "{{secret.shop_key}}", X-Extra: "{{secret.shop_extra}}"}
"""


@pytest.fixture
def home(tmp_path):
    with Provider() as provider:
        return home_with(tmp_path, provider, shop=SHOP)


def desk(home: str, *typed: str | None) -> Broker:
    return Broker(home=home, store=Memory(), person=Told(*typed), environ={})


def stored(broker: Broker):
    return broker.store.get(Key("credential", "shop"))


def test_everything_that_is_needed_is_asked_for_with_help(home) -> None:
    broker = desk(home, "acme.example.com", "sk_1", "")
    broker.setup("shop")
    record = stored(broker)
    assert record.params == {"shop": "acme", "region": "eu"}
    assert record.secrets == {"shop_key": Secret("sk_1")}
    assert record.consents["shop"].hosts == ("acme.example.com",)
    said = "\n".join(broker.person.said)
    for line in ("The first part", "From your profile", "example.com/help", "example.com/keys"):
        assert line in said
    assert broker.person.hidden == ["Key", "Extra (optional, empty to leave out)"]


def test_an_odd_looking_key_is_taken_with_a_word_about_it(home) -> None:
    broker = desk(home)
    broker.setup("shop", params={"shop": "acme"}, key=canary.fresh("odd"))
    assert "shop_extra" not in stored(broker).secrets
    assert any("usually looks like sk_123" in line for line in broker.person.said)


@pytest.mark.parametrize("value", ["sk_1\r\nX-Other: 1", "sk\0", "sk_1\nsk_2"])
def test_a_key_that_no_header_can_hold_is_refused(home, value) -> None:
    broker = desk(home)
    with pytest.raises(errors.AuthError, match="line break") as caught:
        broker.setup("shop", params={"shop": "acme"}, key=value)
    assert value not in str(caught.value)
    assert stored(broker) is None


def test_an_optional_secret_is_kept_if_given(home) -> None:
    broker = desk(home, "sk_1", "more")
    broker.setup("shop", params={"shop": "acme", "region": "us"})
    assert stored(broker).secrets["shop_extra"] == Secret("more")
    assert stored(broker).params["region"] == "us"


def test_what_was_given_for_the_address_before_is_not_asked_again(home) -> None:
    broker = desk(home, "acme", "sk_1", "")
    broker.setup("shop")
    broker.setup("shop", key="sk_2")
    assert stored(broker).params["shop"] == "acme"
    assert stored(broker).secrets["shop_key"] == Secret("sk_2")
    assert stored(broker).generation == 2


def test_a_client_for_one_address_is_not_handed_out_for_another(home) -> None:
    broker = desk(home)
    broker.setup("shop", params={"shop": "acme"}, key="sk_1")
    broker.bind("shop", params={"shop": "acme.example.com"}).close()
    with pytest.raises(errors.AuthError, match="other parameters than shop=other") as caught:
        broker.bind("shop", params={"shop": "other"})
    assert caught.value.hint == "arcrun setup shop@another --param shop=other"


@pytest.mark.parametrize(
    ("params", "said"),
    [({"shop": "a/b"}, "does not look"), ({"shop": "a", "region": "x"}, "one of")],
)
def test_a_value_that_does_not_fit_the_address_is_refused(home, params, said) -> None:
    broker = desk(home)
    with pytest.raises(errors.RecipeError, match=said):
        broker.setup("shop", params=params, key="sk_1")
    assert stored(broker) is None


def test_what_does_not_fit_is_asked_for_again_with_the_help_and_no_pattern(home) -> None:
    broker = desk(home, "A B", "acme", "sk_1", "")
    broker.setup("shop")
    assert stored(broker).params["shop"] == "acme"
    again = "This is no Shop name as the service writes it: The first part of its address"
    assert again in broker.person.said
    with pytest.raises(errors.RecipeError, match="as it should: The first part of its address\\."):
        desk(home).setup("shop", params={"shop": "A B"}, key="sk_1")


def test_where_a_recipe_has_no_help_its_pattern_is_all_there_is(tmp_path) -> None:
    with Provider() as provider:
        bare = SHOP.replace("    help: The first part of its address.\n", "")
        broker = desk(home_with(tmp_path, provider, shop=bare), "A B", "acme", "sk_1", "")
    broker.setup("shop")
    assert "This is no Shop name as the service writes it: [a-z]+" in broker.person.said


def test_what_an_address_leaves_open_is_named_before_anybody_agrees(tmp_path) -> None:
    """What the login brings is not known yet."""
    recipe = {
        "service": "orders",
        "primitive": "oauth2",
        "base_url": "https://{{param.site}}.orders.example",
        "params": {"site": {"from": "callback", "enum": ["us", "eu"]}},
        "oauth2": {
            "authorization_endpoint": "https://id.orders.example/a",
            "token_endpoint": "https://id.orders.example/t",
            "callback": {"keep": ["site"]},
        },
    }
    with Provider() as provider:
        home = home_with(tmp_path, provider, orders=yaml.safe_dump(recipe))
    person = Told(yes=False)
    with pytest.raises(errors.ConsentRequired):
        Broker(home=home, store=Memory(), person=person, environ={}).setup("orders")
    said = "\n".join(person.said)
    assert "sent to: <site>.orders.example" in said
    assert "{{" not in said


def test_an_unanswered_address_is_an_error(home) -> None:
    with pytest.raises(errors.RecipeError, match="'shop' is missing") as caught:
        desk(home).setup("shop", key="sk_1")
    assert caught.value.hint == "arcrun setup shop --param shop=…"


def test_a_value_that_does_not_fit_another_way_in_says_how_to_try_that_again(home) -> None:
    with pytest.raises(errors.RecipeError, match="role_arn") as caught:
        desk(home).setup("aws", "b", method="role", params={"role_arn": "x"}, key="k")
    assert caught.value.hint == "arcrun setup aws@b --method role"


def test_who_agreed_once_to_these_hosts_is_not_asked_again(home) -> None:
    broker = desk(home, "acme", "sk_1", "")
    broker.setup("shop")
    asked = len([q for q in broker.person.asked if "agree" in q])
    broker.setup("shop", key="sk_2")
    assert len([q for q in broker.person.asked if "agree" in q]) == asked == 1
    broker.setup("shop", params={"shop": "other"}, key="sk_2")  # another host: asked
    assert len([q for q in broker.person.asked if "agree" in q]) == 2


def test_the_recipe_without_a_test_request_is_kept_untried(home) -> None:
    broker = desk(home)
    broker.setup("shop", params={"shop": "acme"}, key="sk_1")
    assert broker.test("shop").status is None


def test_to_log_in_anew_somebody_has_to_be_there(tmp_path) -> None:
    with Provider() as provider:
        broker = broker_for(home_with(tmp_path, provider), provider, store=Memory())
        broker.setup("demo")
        with pytest.raises(errors.LoginRequired, match="somebody has to be there") as caught:
            broker.setup("demo", interactive=False)
        assert caught.value.hint == "arcrun setup demo"
        assert len(provider.authorizations) == 1
        assert broker.test("demo").identity == "ada@example.com"  # what was there still is


@pytest.mark.parametrize(
    ("name", "fits"), [("key", "shop_key"), ("shop_key", "shop_key"), ("extra", "shop_extra")]
)
def test_secrets_go_by_short_or_full_names(name, fits) -> None:
    found = enrol.match_secrets({name: " x "}, ["shop_key", "shop_extra"], "shop")
    assert found == {fits: Secret("x")}
    assert enrol.match_secrets({name: Secret("x")}, ["shop_key", "shop_extra"], "shop") == found


def test_an_ambiguous_short_name_is_refused() -> None:
    with pytest.raises(errors.AuthError, match="no single secret 'key'"):
        enrol.match_secrets({"key": "x"}, ["a_key", "b_key"], "shop")


# -- Without a terminal, in a graphical session: an agent's shell, an IDE ------------------


class Seated(Told):
    """Somebody with a browser and no terminal, who fills in every page that opens.

    `pages` has the answers for each page in turn, by the label of what is asked; None is
    Cancel.
    """

    reach = "desktop"

    def __init__(self, *pages: dict[str, str] | None) -> None:
        super().__init__()
        self.pages = list(pages)
        self.seen: list[str] = []
        self.done: list[threading.Thread] = []

    def open(self, url: str) -> None:
        self.done.append(threading.Thread(target=self._fill, args=(url,), daemon=True))
        self.done[-1].start()

    def _fill(self, url: str) -> None:
        with urlopen(url, timeout=HANG) as answer:
            page = answer.read().decode()
        self.seen.append(page)
        token = re.search('name="token" value="([^"]+)"', page)
        assert token is not None
        answers, values = self.pages.pop(0), {"token": token[1]}
        if answers is None:
            values["cancel"] = "1"
        for number, label in re.findall('<label for="field([0-9]+)">([^<]*)', page):
            values[f"field{number}"] = (answers or {}).get(label.strip(), "")
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        request = Request(url, urlencode(values).encode(), {"Origin": origin})
        with urlopen(request, timeout=HANG) as answer:
            self.seen.append(answer.read().decode())


def seat(home: str, *pages: dict[str, str] | None, **settings) -> Broker:
    person = Seated(*pages)
    return Broker(
        home=home, store=Memory(), person=person, open_url=person.open, environ={}, **settings
    )


def test_without_a_terminal_all_keys_are_asked_for_on_one_page(home) -> None:
    key, extra = canary.fresh("page"), canary.fresh("page")
    broker = seat(home, {"Shop name": "acme.example.com"}, {"Key": key, "Extra": extra})
    broker.setup("shop")
    record = stored(broker)
    assert record.params == {"shop": "acme", "region": "eu"}
    assert record.secrets == {"shop_key": Secret(key), "shop_extra": Secret(extra)}
    for browsing in broker.person.done:
        browsing.join(HANG)
    params, thanks, keys, _ = broker.person.seen
    assert "The first part of its address." in params
    assert "Thank you" in thanks
    for text in ("Connect Shop", "From your profile.", "example.com/help", "example.com/keys"):
        assert text in keys
    assert broker.person.hidden == []
    assert not canary.hits("\n".join(broker.person.said) + "".join(broker.person.seen))


def test_on_the_page_what_is_optional_may_stay_empty(home) -> None:
    broker = seat(home, {"Key": "sk_1"})
    broker.setup("shop", params={"shop": "acme"})
    assert stored(broker).secrets == {"shop_key": Secret("sk_1")}


def test_of_a_key_that_is_given_no_page_is_shown(home) -> None:
    broker = seat(home)
    broker.setup("shop", params={"shop": "acme"}, key="sk_1")
    assert broker.person.seen == []
    assert stored(broker).secrets == {"shop_key": Secret("sk_1")}


def test_a_cancel_on_the_page_saves_nothing_and_says_how_to_begin_again(home) -> None:
    broker = seat(home, None)
    with pytest.raises(errors.LoginFailed, match="cancelled") as caught:
        broker.setup("shop", params={"shop": "acme"})
    assert caught.value.hint == "arcrun setup shop"
    assert stored(broker) is None


def test_a_page_that_nobody_fills_in_ends_in_time(home) -> None:
    broker = Broker(
        home=home, store=Memory(), person=Seated(), open_url=lambda url: None,
        environ={"ARCRUN_LOGIN_TIMEOUT": "0.05"},
    )  # fmt: skip
    with pytest.raises(errors.LoginFailed, match=r"limit: 0\.05 s") as caught:
        broker.setup("shop", params={"shop": "acme"})
    assert caught.value.hint == "arcrun setup shop"
    assert stored(broker) is None


def test_fields_take_what_the_recipe_takes() -> None:
    region = of_param("region", Param(enum=("eu", "us")))
    name = of_param("shop", Param(label="Shop", help="Where.", pattern="[a-z]+"))
    assert (region.label, region.choices, region.hidden) == ("region", ("eu", "us"), False)
    assert (name.label, name.help, name.check("acme")) == ("Shop", "Where.", None)
    assert "does not look" in name.check("A/B")
    assert of_secret(RequiredSecret("k")).label == "k"
    assert of_secret(RequiredSecret("k", type="pem")).lines
    assert not of_secret(RequiredSecret("k", type="password")).lines


DATA_CENTRE = """\
service: mail
primitive: static_key
base_url: "https://{{param.dc}}.mail.example.com"
required_secrets: [{key: mail_key}]
params: {dc: {from: secret, key: mail_key, take: "-([a-z0-9]+)$", pattern: "[a-z0-9]+"}}
inject: {header: {X-Key: "{{secret.mail_key}}"}}
"""


def test_a_host_that_stands_in_the_key_is_taken_from_it(tmp_path) -> None:
    with Provider() as provider:
        home = home_with(tmp_path, provider, mail=DATA_CENTRE)
    broker = desk(home)
    broker.setup("mail", key="0123-us6")
    assert broker.store.get(Key("credential", "mail")).params == {"dc": "us6"}
    assert broker.why("mail").hosts == ("us6.mail.example.com",)
    with pytest.raises(errors.LoginFailed, match="did not bring"):
        broker.setup("mail", key="0123-US6")
    allowed = Broker(
        home=home,
        environ={"ARCRUN_MAIL_KEY": "0123-eu1", "ARCRUN_KEYRING": "off"},
        allow_hosts=["https://eu1.mail.example.com"],
    )
    with allowed.bind("mail", interactive=False) as client:
        assert str(client.base_url).startswith("https://eu1.mail.example.com")


def test_a_key_of_the_environment_gets_its_address_from_the_caller(home) -> None:
    environ = {"ARCRUN_SHOP_KEY": "sk_1", "ARCRUN_KEYRING": "off"}
    broker = Broker(home=home, environ=environ, allow_hosts=["https://acme.example.com"])
    with pytest.raises(errors.RecipeError, match="'shop' is missing"):
        broker.bind("shop", interactive=False)
    with broker.bind("shop", params={"shop": "acme"}, interactive=False) as client:
        assert str(client.base_url).startswith("https://acme.example.com/eu")


def test_every_server_of_a_strangers_recipe_is_shown_before_it_is_agreed_to(tmp_path) -> None:
    """What a login sends goes to its token endpoint, and that is not the host of the API."""
    places = {
        "token_endpoint": "https://{{param.shop}}.token.example.com/t",
        "registration_endpoint": "https://register.example.org/r",
        "device_authorization_endpoint": "https://device.example.org/d",
        "revocation_endpoint": "https://revoke.example.org/r",
        "userinfo_endpoint": "https://who.example.org/u",
        "issuer": "https://issuer.example.org",
    }
    recipe = {
        "service": "orders",
        "primitive": "oauth2",
        "base_url": "https://api.example.com",
        "params": {"shop": {"pattern": "[a-z]+"}},
        "oauth2": {
            **places,
            "discovery": True,
            "client": {"app": "google"},
            "refresh": {"url": "https://renew.example.org/r"},
        },
    }
    with Provider() as provider:
        home = home_with(tmp_path, provider, orders=yaml.safe_dump(recipe))
        person = Told(yes=False)
        broker = Broker(home=home, store=Memory(), person=person, environ={})
        with pytest.raises(errors.ConsentRequired):
            broker.setup("orders", params={"shop": "acme"})
        assert provider.requests.total() == 0
    said = "\n".join(person.said)
    for name in ("register", "device", "revoke", "who", "issuer", "renew"):
        assert f"{name}.example.org" in said, name
    assert "acme.token.example.com" in said
    assert "log in at: https://issuer.example.org" in said
    assert "your OAuth app google" in said


def test_an_access_key_that_cannot_sign_is_refused_by_the_name_of_the_connection(home) -> None:
    secrets = {"access_key_id": "AKIA\u00e90000000EXAMPLE", "secret_access_key": canary.WORD}
    with pytest.raises(errors.AuthError, match="This access key cannot sign") as caught:
        desk(home).setup("aws", "b", **secrets)
    assert (caught.value.service, caught.value.hint) == ("aws", "arcrun setup aws@b")


def test_a_way_in_that_there_is_not_says_which_there_are_and_what_tells_of_them(home) -> None:
    with pytest.raises(
        errors.RecipeError, match="aws has no method 'rol': there are key"
    ) as caught:
        desk(home).setup("aws", method="rol", key="k")
    assert caught.value.hint == "arcrun show aws says what each needs"


def test_a_home_that_cannot_be_made_says_how_to_name_another(tmp_path) -> None:
    from arcrun_auth.stores.private import ensure_folder

    (tmp_path / "file").write_text("")
    with pytest.raises(errors.StoreError, match="cannot be used") as caught:
        ensure_folder(str(tmp_path / "file" / "home"))
    assert "ARCRUN_HOME" in (caught.value.hint or "")
