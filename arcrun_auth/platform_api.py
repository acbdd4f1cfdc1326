"""A platform over its HTTP API, as the public one answers: its recipes, and any other request.

Its errors have many shapes: `{"error"}`, `{"success": false, "error"}` (under 200, too), plain
text, and RFC 9457. The status counts first, and whatever words there are come second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from arcrun_auth._http import TOTAL_SECONDS, send_token
from arcrun_auth.answers import json_object
from arcrun_auth.errors import AuthError, TokenRefused, may_pass, printable
from arcrun_auth.hosts import fence_of
from arcrun_auth.oauth.call import TokenCall
from arcrun_auth.server_words import ACCESS, Censor, as_secret, unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import HttpMethod
    from arcrun_auth.tokens import Secret

KEY_HEADER = "X-Arcrun-API-Key"
"""The header of the API key: never in a URL, where it would end up in logs."""

NOT_FOUND = 404
_REFUSED = (401, 403)
_DONE = (200, 201)


def api_key(text: str) -> Secret:
    """An API key as a secret. AuthError for what cannot stand in a header."""
    key = as_secret(text.strip(), ACCESS)
    if key is None:
        raise AuthError("This is no API key: it is empty, or has a blank in it.")
    return key


class Platform:
    """The platform at one address. `allow` are exact origins that may be private or plain http.

    Every method raises HostNotAllowed, ProviderUnavailable, and AuthError with its words.
    """

    def __init__(self, url: str, allow: Sequence[str], now: float) -> None:
        self.url = url.rstrip("/")
        self._now = now
        try:
            self._fence = fence_of(self.url, allow)
        except ValueError as error:
            raise AuthError(f"No platform is at what is named: {error}.") from None
        if "?" in self.url or "#" in self.url:
            raise AuthError("The address of a platform has no query.")
        self.host = printable(self._fence.hosts[0], 100)

    def recipe(self, service: str) -> dict[str, Any] | None:
        """The recipe that is there for a service; None where there is none."""
        answer = self.send("GET", f"/auth-recipes/{quote(service, safe='')}")
        if answer.status == NOT_FOUND:
            return None
        found = understood(answer, self.host, self._now).get("recipe")
        if not isinstance(found, dict):
            raise AuthError(f"{self.host} answered without a recipe.")
        return found

    def publish(self, data: Mapping[str, Any], key: Secret) -> None:
        """Puts a recipe there, in place of one of the same name. TokenRefused for the key."""
        self.ask("POST", "/auth-recipes", data, key)

    def ask(
        self, method: HttpMethod, path: str, body: object = None, key: Secret | None = None
    ) -> dict[str, Any]:
        """The object in the answer to a request. TokenRefused for the key."""
        answer = self.send(method, path, body, key)
        return understood(answer, self.host, self._now, (key,) if key is not None else ())

    def send(
        self,
        method: HttpMethod,
        path: str,
        body: object = None,
        key: Secret | None = None,
        *,
        seconds: float = TOTAL_SECONDS,
    ) -> Answer:
        """The answer to a request with a JSON body, whatever its status. `seconds` at most."""
        headers = {"accept": "application/json"}
        if key is not None:
            headers[KEY_HEADER.lower()] = key.reveal()
        content = None
        if body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        call = TokenCall(
            self.url + path, method=method, headers=headers, content=content,
            secrets=(key,) if key is not None else (),
        )  # fmt: skip
        return send_token(call, guard=self._fence, total=seconds)


def understood(
    answer: Answer, host: str, now: float, secrets: Sequence[Secret] = ()
) -> dict[str, Any]:
    """The body of a success. Raises for all else, in its words, without the `secrets` sent."""
    data, words = json_object(answer.body), _words(answer, Censor(secrets))
    said = f": {words}" if words else "."
    if may_pass(answer.status):
        raise unavailable(
            f"{host} answered {answer.status}{said}", status=answer.status,
            headers=answer.headers, now=now, service=None,
        )  # fmt: skip
    if answer.status in _REFUSED:
        raise TokenRefused(
            f"{host} did not take the API key{said}",
            error=words or None,
            hint="give the one of your account there: ARCRUN_API_KEY",
        )
    failed = data is not None and (data.get("success") is False or bool(data.get("error")))
    if failed or answer.status not in _DONE:
        raise AuthError(f"{host} answered {answer.status}{said}")
    if data is None:
        raise AuthError(f"{host} answered something that no platform answers.")
    return data


def _words(answer: Answer, censor: Censor) -> str:
    """What it says of an error, in whatever shape; nothing of a page for people."""
    data = json_object(answer.body)
    if data is not None:
        found = next((data[k] for k in ("detail", "error", "message", "title") if data.get(k)), "")
        return printable(censor(found)) if isinstance(found, str) else ""
    text = answer.body[:1000].decode(errors="replace").strip()
    return "" if text.startswith("<") else printable(censor(text))
