"""The client of a platform: accounts and keys, rows of ciphertext, leases, enrolments.

It encrypts nothing and decides nothing: what it sends is ciphertext already, and what comes back
is checked by whoever asked. Recipes have their own client, `platform_api`.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote, urlencode

from arcrun_auth import cloud_answers as answers
from arcrun_auth.answers import json_object
from arcrun_auth.errors import AuthError, ProviderUnavailable, printable
from arcrun_auth.hosts import fence_of
from arcrun_auth.kept_line import Line
from arcrun_auth.oauth.call import TokenCall
from arcrun_auth.platform_api import KEY_HEADER, understood
from arcrun_auth.server_words import Censor, retry_after
from arcrun_auth.tokens import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import HttpMethod

S = TypeVar("S")

PROTOCOL = "1"
"""Which version of the platform's protocol do we speak?"""
PROTOCOL_HEADER = "arcrun-protocol"
PAGE = 500
"""How many rows does one request ask for, or bring, at most?"""

_NOT_FOUND = 404
_CONFLICT = (409, 412)


class Conflict(AuthError):
    """What is there is not what the request expected; nothing of it was done.

    `versions` are the rows that differ, and at which version they are (0: not there).
    `retry_after` is in how many seconds a lease that somebody else has may be free.
    """

    def __init__(
        self, message: str, versions: Mapping[str, int], retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.versions = dict(versions)
        self.retry_after = retry_after

    @property
    def names(self) -> tuple[str, ...]:
        """The rows that differ."""
        return tuple(self.versions)


class NotThere(AuthError):
    """The platform has no such row, key or enrolment."""


class Change:
    """One row of a batch: its ciphertext, or that it goes.

    `expect` is the version that it must have now: 0 for none at all, None for any.
    """

    __slots__ = ("encrypted", "expect", "iv", "name")

    def __init__(
        self,
        name: str,
        encrypted: str | None = None,
        iv: str | None = None,
        *,
        expect: int | None = None,
    ) -> None:
        self.name = name
        self.encrypted = encrypted
        self.iv = iv
        self.expect = expect

    def data(self) -> dict[str, Any]:
        """As it goes over the wire."""
        if self.encrypted is None:
            body: dict[str, Any] = {"name": self.name, "deleted": True}
        else:
            body = {"name": self.name, "encrypted": self.encrypted, "iv": self.iv}
        return body if self.expect is None else {**body, "expect": self.expect}


class Cloud:
    """The platform at one address, as one API key sees it. `key` None is for who has none yet.

    `allow` are exact origins that may be private or plain http; `now` tells the time, for dates
    in `Retry-After`. One connection is kept from request to request; `close()` ends it, and so
    does `with`.

    Every method raises HostNotAllowed (nothing was sent), ProviderUnavailable for what may pass
    (`sent` True: it may have been done), TokenRefused for the key, `Conflict`, and AuthError with
    the platform's words for all else.

        with Cloud("https://sync.example.com", key) as cloud:
            page = cloud.rows_since(0)
    """

    def __init__(
        self,
        url: str,
        key: Secret | None,
        *,
        allow: Sequence[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self.url = url.rstrip("/")
        self.key = key
        self._now = now
        try:
            fence = fence_of(self.url, allow)
        except ValueError as error:
            raise AuthError(f"No platform is at what is named: {error}.") from None
        if "?" in self.url or "#" in self.url:
            raise AuthError("The address of a platform has no query.")
        self.host = printable(fence.hosts[0], 100)
        self._line = Line(fence)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection; the next request opens another."""
        self._line.close()

    # --- accounts and keys

    def health(self) -> bool:
        """Whether the platform says that it runs."""
        return self.ask("GET", "/health").get("ok") is True

    def register(
        self, *, email: str | None = None, display_name: str = "", invite: Secret | None = None
    ) -> answers.Registered:
        """A new account."""
        body = {"email": email, "display_name": display_name}
        if invite is not None:
            body["invite"] = invite.reveal()
        hidden = (invite,) if invite is not None else ()
        return self._read(self.ask("POST", "/register", body, secrets=hidden), answers.Registered)

    def me(self) -> answers.Me:
        """The account of this key."""
        return self._read(self.ask("GET", "/me"), answers.Me)

    def rotate(self) -> Secret:
        """The new text of this key, which this client goes on with. The old one has ended."""
        made = self._read(self.ask("PUT", "/me/api-key/rotate"), answers.Rotated)
        self.key = Secret(made.api_key)
        return self.key

    def delete_key(self) -> None:
        """Ends this key."""
        self.ask("DELETE", "/me/api-key")

    def delete_account(self) -> None:
        """Ends the account, with all its rows and keys."""
        self.ask("DELETE", "/me")

    def keys(self) -> tuple[answers.ApiKey, ...]:
        """The keys of the account."""
        return self._read(self.ask("GET", "/me/keys"), answers.ApiKeys).keys

    def create_key(
        self,
        kind: str,
        label: str,
        *,
        rows: Sequence[str] | None = None,
        expires_in: int | None = None,
    ) -> answers.MintedKey:
        """One more key. `rows` are those that a key of kind `ci` may fetch."""
        body = {"kind": kind, "label": label, "rows": rows, "expires_in": expires_in}
        return self._read(self.ask("POST", "/me/keys", body), answers.MintedKey)

    def remove_key(self, id_: str) -> bool:
        """Ends a key of the account; False where there was none."""
        return self._there("DELETE", f"/me/keys/{quote(id_, safe='')}") is not None

    def create_ci(self, label: str, rows: Sequence[str], *, issuer: str, subject: str) -> str:
        """Lets jobs fetch `rows` by their identity tokens: those of `issuer`, for a `subject` in
        which `*` stands for any text without a colon. The id that such a job names."""
        body = {"label": label, "rows": rows, "issuer": issuer, "subject": subject}
        return self._read(self.ask("POST", "/me/ci", body), answers.CiMade).id

    def remove_ci(self, id_: str) -> bool:
        """Ends that; False where there was none."""
        return self._there("DELETE", f"/me/ci/{quote(id_, safe='')}") is not None

    # --- rows

    def rows_since(self, cursor: int, limit: int = PAGE) -> answers.Page:
        """The rows of sync that changed after `cursor`, deleted ones too."""
        query = urlencode({"since": cursor, "limit": limit})
        page = self._read(self.ask("GET", f"/credentials?{query}"), answers.Page)
        if not page.follows(cursor):
            raise answers.senseless(self.host)
        return page

    def row(self, name: str) -> answers.Row | None:
        """One row, with its ciphertext; None where there is none."""
        found = self._there("GET", _row(name))
        return None if found is None else self._read(found, answers.Row)

    def put_row(
        self,
        name: str,
        encrypted: str,
        iv: str,
        *,
        expect: int | None = None,
        service: str | None = None,
    ) -> int:
        """Writes one row; its version."""
        body = {"name": name, "encrypted": encrypted, "iv": iv}
        if service is not None:
            body["service"] = service
        done = self.ask("POST", "/credentials", body, headers=_precondition(expect))
        return self._read(done, answers.Row).version

    def put_rows(self, changes: Sequence[Change]) -> answers.Written:
        """Writes up to 500 rows, all or none. `Conflict` with those not as expected."""
        body = {"rows": [change.data() for change in changes]}
        return self._read(self.ask("POST", "/credentials/batch", body), answers.Written)

    def delete_row(self, name: str, *, expect: int | None = None) -> bool:
        """Deletes one row; False where there was none."""
        done = self._there("DELETE", _row(name), headers=_precondition(expect))
        return done is not None

    def named_rows(self) -> Iterator[answers.Named]:
        """The rows that have their names in clear, one after the other."""
        after: str | None = ""
        asked: set[str] = set()
        while after is not None:
            if after in asked:
                raise answers.senseless(self.host)
            asked.add(after)
            query = urlencode({"after": after, "limit": PAGE})
            page = self._read(self.ask("GET", f"/credentials?{query}"), answers.NamedPage)
            yield from page.credentials
            after = page.next if page.credentials else None

    # --- leases

    def take_lease(self, name: str, ttl: float, holder: str, *, after: int = 0) -> answers.Lease:
        """A lease for `ttl` seconds, at most 120, with a fence above `after`. `Conflict` while
        another holder has it; the same one gets it anew."""
        body = {"name": name, "ttl_s": ttl, "holder": holder, "after": after}
        return self._read(self.ask("POST", "/leases", body), answers.Lease)

    def renew_lease(
        self, name: str, lease: str, ttl: float, *, begins: bool = False
    ) -> answers.Lease:
        """The same for longer. `Conflict` if it is somebody else's by now, or nobody's. `begins`:
        now the holder begins what it may not be able to tell the end of."""
        body = {"lease": lease, "ttl_s": ttl, "begins": begins}
        return self._read(self.ask("PUT", f"/leases/{quote(name, safe='')}", body), answers.Lease)

    def release_lease(self, name: str, lease: str, *, unknown: bool = False) -> None:
        """Lets go of it; `unknown`: nobody can know what came of it. `Conflict` as above."""
        body = {"lease": lease, "unknown": unknown}
        self.ask("DELETE", f"/leases/{quote(name, safe='')}", body)

    # --- enrolments

    def begin_enrolment(self, body: Any) -> str:
        """The id of a new enrolment, whose first message is `body`: any JSON, at most 16 KB."""
        done = self.ask("POST", "/devices/enrolments", {"body": body})
        return self._read(done, answers.EnrolmentMade).id

    def enrolments(self) -> tuple[answers.EnrolmentListed, ...]:
        """Those that are under way."""
        found = self.ask("GET", "/devices/enrolments")
        return self._read(found, answers.Enrolments).enrolments

    def enrolment(self, id_: str) -> answers.Enrolment | None:
        """One enrolment with its messages; None if there is none, or none any more."""
        found = self._there("GET", _enrolment(id_))
        return None if found is None else self._read(found, answers.Enrolment)

    def send_message(self, id_: str, sender: str, body: Any) -> None:
        """One more message, from the `new` device or the `old` one."""
        self.ask("POST", _enrolment(id_), {"from": sender, "body": body})

    def end_enrolment(self, id_: str) -> bool:
        """Forgets it; False where there was none."""
        return self._there("DELETE", _enrolment(id_)) is not None

    # --- the server's trail

    def audit(self, since: int = 0) -> answers.Trail:
        """What the platform notes of the account, after number `since`; at most 500 entries."""
        return self._read(self.ask("GET", f"/audit?since={since:d}"), answers.Trail)

    # --- asking

    def ask(
        self,
        method: HttpMethod,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        secrets: tuple[Secret, ...] = (),
    ) -> dict[str, Any]:
        """The body of a successful answer. `secrets` are values that no error may repeat."""
        call = self._call(method, path, body, headers or {}, secrets)
        answer = self._send(call)
        if answer.status in _CONFLICT:
            raise self._conflict(answer, call.secrets)
        if answer.status == _NOT_FOUND and PROTOCOL_HEADER in answer.headers:
            raise NotThere(f"{self.host} has no such thing.")
        data = understood(answer, self.host, self._now(), call.secrets)
        if answer.headers.get(PROTOCOL_HEADER) != PROTOCOL:
            raise AuthError(
                f"{self.host} does not speak version {PROTOCOL} of the platform's protocol.",
                hint="see that it is a platform of ours; then: pip install --upgrade arcrun-auth",
            )
        return data

    def _there(
        self, method: HttpMethod, path: str, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any] | None:
        """As `ask`; None where the platform says that there is no such thing."""
        try:
            return self.ask(method, path, headers=headers)
        except NotThere:
            return None

    def _call(
        self,
        method: HttpMethod,
        path: str,
        body: object,
        headers: Mapping[str, str],
        secrets: tuple[Secret, ...],
    ) -> TokenCall:
        sent, content = {"accept": "application/json", **headers}, None
        if self.key is not None:
            sent[KEY_HEADER.lower()] = self.key.reveal()
            secrets = (*secrets, self.key)
        if body is not None:
            sent["content-type"] = "application/json"
            content = json.dumps(body, separators=(",", ":")).encode()
        return TokenCall(
            self.url + path, method=method, headers=sent, content=content, secrets=secrets
        )

    def _send(self, call: TokenCall) -> Answer:
        kept = self._line.client is not None
        try:
            return self._line.send(call)
        except ProviderUnavailable as error:
            # The server may have ended a connection that it thought idle. To look twice does
            # no harm; to write twice might.
            if not (kept and error.sent and error.status is None and call.method == "GET"):
                raise
            return self._line.send(call)

    def _conflict(self, answer: Answer, secrets: tuple[Secret, ...]) -> Conflict:
        data = json_object(answer.body) or {}
        versions = answers.differing(data.get("conflicts"))
        said = data.get("detail")
        words = "it is in conflict with what is there"
        if isinstance(said, str):
            words = printable(Censor(secrets)(said))
        return Conflict(
            f"{self.host} says: {words}", versions, retry_after(answer.headers, self._now())
        )

    def _read(self, data: dict[str, Any], shape: type[S]) -> S:
        return answers.read(data, shape, self.host)


def _row(name: str) -> str:
    return f"/credentials/{quote(name, safe='')}"


def _enrolment(id_: str) -> str:
    return f"/devices/enrolments/{quote(id_, safe='')}"


def _precondition(expect: int | None) -> dict[str, str]:
    """RFC 9110 §13.1: write only over this version, or only where nothing is."""
    if expect is None:
        return {}
    return {"if-match": f'"{expect}"'} if expect else {"if-none-match": "*"}
