"""The Internet of a test: the services' own names lead to this machine, by the variables that
every user has. Recipes, addresses, TLS and SDKs are the real ones; only who answers is not.
"""

from __future__ import annotations

import contextlib
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from arcrun_auth.broker import Broker
from arcrun_auth.people import Nobody
from arcrun_auth.stores.memory import Memory
from arcrun_auth.tokens import Credential, Grant, Key, Secret
from tests import canary
from tests.sdk.desk import as_json
from tests.servers import Reply, authority, proxy, recorder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest

    from tests.servers import Seen

MODEL = {"id": "m-1", "type": "model", "object": "model", "created": 1, "owned_by": "x"}
CLAUDE = {"display_name": "M", "created_at": "2026-01-01T00:00:00Z"}

ANSWERS: dict[tuple[str, str], Any] = {
    ("api.openai.com", "/v1/models"): {"object": "list", "data": [MODEL]},
    ("api.anthropic.com", "/v1/models"): {
        "data": [MODEL | CLAUDE], "has_more": False, "first_id": "m-1", "last_id": "m-1",
    },
    ("api.github.com", "/user"): {"login": "ada", "id": 1},
    ("slack.com", "/api/auth.test"): {"ok": True, "user": "ada"},
    ("api.notion.com", "/v1/users/me"): {"object": "user", "name": "ada"},
    ("api.stripe.com", "/v1/account"): {"id": "acct_1", "object": "account"},
    ("api.stripe.com", "/v1/balance"): {"object": "balance", "available": []},
    ("huggingface.co", "/api/whoami-v2"): {"name": "ada", "type": "user"},
    ("graph.microsoft.com", "/v1.0/me"): {"displayName": "ada"},
    ("storage.googleapis.com", "/storage/v1/b"): {"items": [{"name": "backups"}]},
}  # fmt: skip
"""Who answers what, to whoever shows the credential of that service."""

KEY_ID = "AKIDEXAMPLE"
REGION = "us-east-1.amazonaws.com"
_XML = '<{0}Response xmlns="x"><{0}Result>{1}</{0}Result></{0}Response>'.format

AWS: dict[str, Any] = {
    f"sts.{REGION}": _XML("GetCallerIdentity", "<Account>123456789012</Account>"),
    f"sns.{REGION}": _XML("ListTopics", "<Topics/>"),
    "s3.amazonaws.com": "<ListAllMyBucketsResult><Buckets/></ListAllMyBucketsResult>",
    **{f"{name}.{REGION}": {} for name in ("sqs", "dynamodb", "lambda", "secretsmanager", "email")},
}
"""What the services of AWS answer to whoever signs with the user's access key, at any path."""

PUBLIC: dict[str, Any] = {"huggingface.co/api/agent-harnesses": {}}
"""What an SDK asks for by itself, without a credential."""

HOSTS = sorted({host for host, _ in ANSWERS} | set(AWS))

SERVICES = {
    "openai": "openai_api_key", "anthropic": "anthropic_api_key", "github": "github_token",
    "slack": "slack_bot_token", "notion": "notion_token", "stripe": "stripe_secret_key",
    "huggingface": "token",
}  # fmt: skip
"""The static keys that the user has, by service: the name of the secret."""

BELONGS = {
    "api.openai.com": "openai", "api.anthropic.com": "anthropic", "api.github.com": "github",
    "slack.com": "slack", "api.notion.com": "notion", "api.stripe.com": "stripe",
    "huggingface.co": "huggingface", "graph.microsoft.com": "microsoft_graph",
    "storage.googleapis.com": "google_cloud_storage",
}  # fmt: skip

LOGINS: dict[str, dict[str, str]] = {
    "microsoft_graph": {}, "google_cloud_storage": {"project": "demo-project"},
}  # fmt: skip
"""The logins that the user has, by service: the params of each."""


class Internet:
    """What the user has, who answers, and what was refused."""

    def __init__(self) -> None:
        self.keys = {name: canary.fresh(name) for name in (*SERVICES, *LOGINS, "aws")}
        self.refused: list[str] = []
        self.answered: list[str] = []

    def broker(self) -> Broker:
        """A user who has connected everything."""
        broker = Broker(store=Memory(), person=Nobody())
        for service, secret in SERVICES.items():
            value = Secret(self.keys[service])
            record = Credential(Key("credential", service), method="key", secrets={secret: value})
            broker.store.put(record, expect=0)
        access = {"access_key_id": KEY_ID, "secret_access_key": self.keys["aws"]}
        secrets = {name: Secret(value) for name, value in access.items()}
        way = broker.recipes.entry("aws").methods[0].id
        broker.store.put(
            Credential(Key("credential", "aws"), method=way, secrets=secrets), expect=0
        )
        for service in LOGINS:
            broker.store.put(self._login(broker, service), expect=0)
        return broker

    def _login(self, broker: Broker, service: str) -> Credential:
        entry, now = broker.recipes.entry(service), time.time()
        grant = Grant(
            access_token=Secret(self.keys[service]), issued=now, expires=now + 3600,
            refresh_token=Secret(canary.fresh("refresh")),
        )  # fmt: skip
        return Credential(
            Key("credential", entry.account),
            method=entry.methods[0].id,
            params=LOGINS[service],
            grant=grant,
        )

    def answer(self, seen: Seen) -> Reply:
        host, path = seen.headers["host"], seen.target.partition("?")[0]
        given = {seen.headers.get("authorization", ""), seen.headers.get("x-api-key", "")}
        if host + path in PUBLIC:
            return as_json(PUBLIC[host + path])
        if host in AWS:
            return self._answer_of_aws(seen, host)
        key = self.keys[BELONGS[host]]
        if given.isdisjoint({f"Bearer {key}", key}):
            self.refused.append(host + path)
            return as_json({"error": "unauthorized"}, 401)
        self.answered.append(host + path)
        return as_json(ANSWERS[host, path])

    def _answer_of_aws(self, seen: Seen, host: str) -> Reply:
        given = seen.headers.get("authorization", "")
        if not given.startswith(f"AWS4-HMAC-SHA256 Credential={KEY_ID}/"):
            self.refused.append(host)
            return Reply(403)
        self.answered.append(host)
        answer = AWS[host]
        return Reply(body=answer.encode()) if isinstance(answer, str) else as_json(answer)


@contextlib.contextmanager
def internet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Internet]:
    """The user's process broker and all names of `HOSTS`, for as long as it is open."""
    made = Internet()
    ca, context = authority(folder, *HOSTS)
    with ExitStack() as stack:
        server = stack.enter_context(recorder(made.answer, context))

        def route(host: str, tls: bool) -> int:
            assert tls
            assert host in HOSTS, f"an example talks to {host}, and nobody plays that here"
            return server.port

        through = stack.enter_context(proxy(route))
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, through.url)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(ca))
        _prepare(monkeypatch, str(ca))
        broker = made.broker()
        monkeypatch.setattr("arcrun_auth.shared._default", broker)
        stack.callback(broker.close)
        yield made
        if "huggingface_hub" in sys.modules:
            sys.modules["huggingface_hub"].close_session()


def _prepare(monkeypatch: pytest.MonkeyPatch, ca: str) -> None:
    """What some SDKs take from nowhere but themselves: their certificates, and no proxy."""
    if "huggingface_hub" in sys.modules:
        sys.modules["huggingface_hub"].close_session()
    with contextlib.suppress(ImportError):
        import stripe

        monkeypatch.setattr(stripe, "ca_bundle_path", ca)
    with contextlib.suppress(ImportError):
        import aiohttp

        real = aiohttp.ClientSession.__init__

        def made(self, **options: Any) -> None:
            import ssl

            connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=ca))
            real(self, **{"connector": connector, "trust_env": True, **options})

        monkeypatch.setattr(aiohttp.ClientSession, "__init__", made)
