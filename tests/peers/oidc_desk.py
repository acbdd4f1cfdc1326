"""A broker on oidc-provider, with a recipe in YAML and somebody who uses its pages."""

from __future__ import annotations

import yaml

from arcrun_auth.broker import Broker
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Key, Secret
from tests.peers.oidc_server import Person
from tests.world import Told

PEER = Key("credential", "peer")
APP = Key("app", "peer")


class WithDevice(Told):
    """Goes to the address that is shown, and types the code that is shown."""

    def __init__(self, person=None):
        super().__init__()
        self._person = person

    def say(self, text):
        super().say(text)
        before, _, code = text.partition("enter the code: ")
        if code and self._person is not None:
            assert before == "and "
            self._person.type_code(self.said[-2], code)


def recipe_yaml(oidc, **oauth2):
    """The recipe of this server, by discovery."""
    fields = {
        "issuer": oidc.issuer,
        "discovery": True,
        # offline_access is given only with the prompt for consent: OIDC Core §11.
        "authorize_params": {"prompt": "consent"},
        "scopes": ["openid", "offline_access"],
        "client": {"auth": "none"},
        **oauth2,
    }
    recipe = {
        "service": "peer",
        "primitive": "oauth2",
        "display_name": "Peer",
        "base_url": oidc.issuer,
        "oauth2": fields,
    }
    return yaml.safe_dump(recipe)


def desk(tmp_path, oidc, *, app=None, person=None, open_url=None, recipe="", **oauth2):
    """A broker with this recipe, and one's own app where there is one."""
    recipes = tmp_path / "home" / "recipes"
    recipes.mkdir(parents=True, mode=0o700)
    recipes.parent.chmod(0o700)
    (recipes / "peer.yaml").write_text(recipe or recipe_yaml(oidc, **oauth2))
    store = Memory()
    if app is not None:
        secrets = {name: Secret(value) for name, value in app.items()}
        store.put(Credential(APP, secrets=secrets), expect=0)
    return Broker(
        home=str(tmp_path / "home"),
        store=store,
        person=person or Told(),
        open_url=open_url or Person(),
        allow_hosts=[oidc.issuer, oidc.issuer.replace("127.0.0.1", "localhost")],
        environ={"ARCRUN_LOGIN_TIMEOUT": "60"},
    )


def app_of(registered):
    """The app that a registration at the server brought."""
    names = ("client_id", "client_secret")
    return {name: registered[name] for name in names if name in registered}


def grant_of(broker):
    return broker.store.get(PEER).grant


def renewed(broker):
    """The token after one that a server has refused."""
    dead = broker.get_token("peer", interactive=False)
    fresh = broker._connections.known("peer", None).token(rejected=dead.access_token)
    assert fresh.access_token != dead.access_token
    return fresh


def userinfo(broker):
    """Status and body of the one call that this server's API knows."""
    with broker.bind("peer", interactive=False) as client:
        answer = client.get("me")
        return answer.status_code, answer.json()
