"""What one run of a recipe has to do with: the way in, and all that was made up for it."""

from __future__ import annotations

import json
import secrets as random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from arcrun_auth.testing.conformance import invented
from arcrun_auth.testing.conformance.rendered import filled

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

    from arcrun_auth.recipe.model import Method
    from arcrun_auth.testing.conformance.rendered import Known


@dataclass
class Given:
    """A way in with what a person, a login and the service tell of it."""

    way: Method
    params: dict[str, str]
    secrets: dict[str, str]
    clock: Callable[[], float]
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    faults: list[str] = field(default_factory=list)
    """What was otherwise than the recipe says, as far as the service has seen it."""

    @classmethod
    def for_(cls, way: Method, clock: Callable[[], float]) -> Self:
        params, secrets = invented.params(way), invented.needed(way)
        for name, param in way.params.items():
            if param.source == "secret":  # it stands in there
                params[name] = param.found(secrets[param.key or name])
        given = cls(way, params, secrets, clock)
        client = way.oauth2.client if way.oauth2 is not None else None
        if client is not None:
            made = f"client-{random.token_hex(6)}"
            if client.id_pattern:
                made = invented.text(client.id_pattern, example=client.id_example)
            given.client_id = client.id or made
            # RFC 6749 §2.3.1 has it form-encoded: what is not shows by these.
            given.client_secret = f"{random.token_hex(10)}&=+%:"
        return given

    @property
    def known(self) -> dict[str, dict[str, str]]:
        """What the templates of the recipe may name before there is a token."""
        members = {
            f"{key}.{name}": str(value)
            for key, text in self.secrets.items()
            if text.startswith("{")
            for name, value in json.loads(text).items()
        }
        return {
            "param": dict(self.params),
            "secret": {**self.secrets, **members},
            "client": {"id": self.client_id},
        }

    def place(self, url: str, known: Known | None = None) -> tuple[str, str]:
        """Origin and path of a URL of the recipe."""
        parts = urlsplit(filled(url, known or self.known))
        return f"{parts.scheme}://{parts.netloc.lower()}", unquote(parts.path) or "/"

    def url(self, url: str) -> str:
        """Where a request to `url` arrives: host in small letters, path decoded, no query."""
        return "".join(self.place(url))

    def told(self, name: str) -> str:
        """How an answer tells the param `name`, which is looked for in it."""
        param = self.way.params[name]
        value = self.params[name]
        return invented.text(param.take, group=value) if param.take else value

    def expect(self, good: object, fault: str) -> None:
        """Notes `fault` unless `good`."""
        if not good and fault not in self.faults:
            self.faults.append(fault)

    def hidden(self) -> set[str]:
        """What no message may show."""
        return {text for text in (*self.secrets.values(), self.client_secret) if text}
