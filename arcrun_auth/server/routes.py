"""Which path does what: a table, and functions that hand on to the service.

Each is a function of a transaction, the caller and the request, and knows no framework; what it
does is one transaction. `web` runs them, `openapi` describes them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from arcrun_auth.server import (
    accounts,
    audit,
    ci,
    keys,
    leases,
    login_shapes,
    mailbox,
    recipes,
    rows,
    shapes,
)
from arcrun_auth.server.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from arcrun_auth.server.config import Config
    from arcrun_auth.server.database import Database, Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.visits import Site

Method = Literal["GET", "POST", "PUT", "DELETE"]
KEYS = ("account", "device")
"""The kinds of keys that most routes take."""
ALL_KEYS = (*KEYS, "ci")


class Headers:
    """The headers of a request, by lower-case name, decoded when they are asked for."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._raw = dict(raw)

    def get(self, name: str, default: str = "") -> str:
        """What stands there; of several the last."""
        found = self._raw.get(name.encode())
        return default if found is None else found.decode("latin-1")

    def __contains__(self, name: str) -> bool:
        return name.encode() in self._raw


class Call(msgspec.Struct):
    """One request, as its function sees it."""

    config: Config
    path: dict[str, str]
    """What the variables of the path are."""
    query: dict[str, str]
    headers: Headers
    body: Any = None
    """What `Route.takes` says, read; of a form its fields."""
    address: str = ""
    caller: Caller | None = None
    site: Site | None = None
    """What the pages and logins of `browsing` work with."""

    @property
    def who(self) -> Caller:
        """Whoever called; routes for anybody do not ask."""
        assert self.caller is not None, "a route that asks who called names the keys that it takes"
        return self.caller

    def number(self, name: str, default: int, *, least: int = 0, most: int = 1 << 62) -> int:
        """A number of the query. Problem 400 for what is none, or out of its range."""
        text = self.query.get(name)
        if text is None:
            return default
        number = whole(text)
        if number is None or not least <= number <= most:
            raise Problem(400, f"{name} is a number from {least} to {most}.")
        return number


def whole(text: str) -> int | None:
    """A whole number in decimal digits, of 64 bits at most; else None."""
    fits = text.isascii() and text.isdigit() and len(text) < 20  # noqa: PLR2004 - digits of 2**64
    return int(text) if fits else None


class Reply(msgspec.Struct):
    """What to answer. `later` is written after it, and nobody waits for that.

    Bytes as `body` go out as they are, with the `content-type` that `headers` name; all else is
    sent as JSON. `cookies` are whole values of `Set-Cookie`.
    """

    body: Any
    status: int = 200
    headers: dict[str, str] = {}
    later: Callable[[Tx], None] | None = None
    cookies: tuple[str, ...] = ()


Work = Callable[["Tx", Call], Reply]
Own = Callable[["Database", Call], Awaitable[Reply]]


def _no_work(tx: Tx, call: Call) -> Reply:
    raise AssertionError((tx, call))  # a route that has `own` is not run as one transaction


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path."""

    method: Method
    path: str
    work: Work = _no_work
    """What is done, as one transaction."""
    answers: dict[int, Any] = field(default_factory=dict)
    """The shape of the body by status; `bytes` for a page."""
    takes: Any = None
    """The shape of the body as JSON; None for no body."""
    form: bool = False
    """Whether the body is a form of a page: `Call.body` has its fields."""
    keys: tuple[str, ...] = ()
    """The kinds of API keys it takes; none for a route that anybody may call."""
    writes: bool = True
    """Whether its transaction writes."""
    own: Own | None = None
    """In place of `work`, for what has to wait for others between its transactions."""
    bearer: bool = False
    """Whether the key may come as a bearer token, too: what the platform's older clients send."""
    query: tuple[str, ...] = ()
    conditional: bool = False
    """Whether `If-Match` and `If-None-Match` are heeded."""
    guessed: bool = False
    """Whether something can be tried out by reading it, or is asked of others for it."""

    @property
    def counted(self) -> bool:
        """Whether requests without a key count against the address that they come from."""
        return self.guessed or self.method != "GET"

    @property
    def says(self) -> str:
        """What it does, in one line."""
        return ((self.own or self.work).__doc__ or "").strip().splitlines()[0]


# --- accounts and keys


def register(tx: Tx, call: Call) -> Reply:
    """A new account and its first API key."""
    return Reply(accounts.register(tx, call.body, call.config.registration), 201)


def me(tx: Tx, call: Call) -> Reply:
    """The account that the key belongs to."""
    return Reply(accounts.me(tx, call.who))


def delete_me(tx: Tx, call: Call) -> Reply:
    """Deletes the account with all its rows and keys."""
    accounts.delete(tx, call.who)
    return Reply(shapes.Done())


def rotate(tx: Tx, call: Call) -> Reply:
    """A new text for the key that is shown; what is stored stays."""
    return Reply(shapes.Rotated(api_key=keys.rotate(tx, call.who)))


def delete_my_key(tx: Tx, call: Call) -> Reply:
    """Ends the key that is shown."""
    keys.remove(tx, call.who, call.who.key)
    return Reply(shapes.RemovedKey(id=call.who.key))


def list_keys(tx: Tx, call: Call) -> Reply:
    """The account's API keys, without their texts."""
    return Reply(shapes.ApiKeys(keys=keys.listed(tx, call.who)))


def create_key(tx: Tx, call: Call) -> Reply:
    """One more API key; its text is in this answer alone."""
    return Reply(keys.create(tx, call.who, call.body, call.config.limits.keys), 201)


def delete_key(tx: Tx, call: Call) -> Reply:
    """Ends an API key of the account."""
    keys.remove(tx, call.who, call.path["id"])
    return Reply(shapes.RemovedKey(id=call.path["id"]))


# --- CI vaults


def create_ci(tx: Tx, call: Call) -> Reply:
    """Which jobs of a CI system may fetch which rows, by the identity token they show."""
    allow = call.config.providers.allow_hosts
    return Reply(ci.create(tx, call.who, call.body, allow), 201)


def list_ci(tx: Tx, call: Call) -> Reply:
    """The account's CI vaults."""
    return Reply(login_shapes.CiVaults(vaults=ci.listed(tx, call.who)))


def delete_ci(tx: Tx, call: Call) -> Reply:
    """Ends a CI vault: no job gets a key by it any more."""
    ci.remove(tx, call.who, call.path["id"])
    return Reply(login_shapes.CiRemoved(id=call.path["id"]))


# --- rows


def put_row(tx: Tx, call: Call) -> Reply:
    """Writes one row of ciphertext."""
    expect = _expected(call)
    done, new = rows.put(tx, call.who, call.body, call.config.limits, expect=expect)
    return Reply(done, 201 if new else 200, {"etag": f'"{done.version}"'})


def put_rows(tx: Tx, call: Call) -> Reply:
    """Writes several rows, all or none."""
    return Reply(rows.batch(tx, call.who, call.body.rows, call.config.limits))


def list_rows(tx: Tx, call: Call) -> Reply:
    """The rows: with `since` those of sync that changed, else the others, by name."""
    limits = call.config.limits
    limit = call.number("limit", min(500, limits.batch), least=1, most=limits.batch)
    if "since" in call.query:
        return Reply(rows.since(tx, call.who, call.number("since", 0), limit, limits))
    if call.who.rows is not None:
        raise Problem(403, "This API key may only fetch its rows.")
    return Reply(rows.listed(tx, call.who, call.query.get("after", ""), limit))


def get_row(tx: Tx, call: Call) -> Reply:
    """One row with its ciphertext."""
    name, who = call.path["name"], call.who
    found = rows.one(tx, who, name)
    reply = _tagged(call, found, str(found.version))
    if not rows.of_sync(name):
        reply.later = lambda tx: rows.used(tx, who, name)
    return reply


def delete_row(tx: Tx, call: Call) -> Reply:
    """Deletes one row."""
    name = call.path["name"]
    rows.delete(tx, call.who, name, call.config.limits, expect=_expected(call))
    return Reply(shapes.RowDeleted(name=name))


def _tagged(call: Call, found: Any, mark: str) -> Reply:
    """An answer, or that it is still the one which the caller has (RFC 9110 §13.1.2)."""
    tag = f'"{mark}"'
    if call.headers.get("if-none-match").strip() == tag:
        return Reply(None, 304, {"etag": tag})
    return Reply(found, 200, {"etag": tag})


def _expected(call: Call) -> int | None:
    """The version that `If-Match` names, 0 for `If-None-Match: *`, None without either."""
    if "if-none-match" in call.headers:
        if call.headers.get("if-none-match").strip() != "*":
            raise Problem(400, "If-None-Match is * here: write only where nothing is.")
        return 0
    if "if-match" not in call.headers:
        return None
    version = whole(call.headers.get("if-match").strip().removeprefix('"').removesuffix('"'))
    if version is None:
        raise Problem(400, "If-Match is the version of a row, in quotes.")
    return version


# --- leases


def take_lease(tx: Tx, call: Call) -> Reply:
    """Takes a lease; 409 with Retry-After while another holder has it."""
    return Reply(leases.take(tx, call.who, call.body), 201)


def renew_lease(tx: Tx, call: Call) -> Reply:
    """Keeps a lease for longer, or begins what it is for."""
    return Reply(leases.renew(tx, call.who, call.path["name"], call.body))


def release_lease(tx: Tx, call: Call) -> Reply:
    """Lets go of a lease, and says whether its end is known."""
    leases.release(tx, call.who, call.path["name"], call.body)
    return Reply(shapes.Done())


# --- enrolments


def begin_enrolment(tx: Tx, call: Call) -> Reply:
    """Begins the enrolment of a device, with its first message."""
    most = call.config.limits.enrolments
    return Reply(mailbox.begin(tx, call.who, bytes(call.body.body), most), 201)


def list_enrolments(tx: Tx, call: Call) -> Reply:
    """The enrolments that are under way."""
    return Reply(shapes.Enrolments(enrolments=mailbox.listed(tx, call.who)))


def read_enrolment(tx: Tx, call: Call) -> Reply:
    """One enrolment and its messages."""
    return Reply(mailbox.read(tx, call.who, call.path["id"]))


def send_message(tx: Tx, call: Call) -> Reply:
    """One more message of an enrolment."""
    said = call.body
    n = mailbox.send(tx, call.who, call.path["id"], said.sender, bytes(said.body))
    return Reply(shapes.MessageTaken(n=n), 201)


def end_enrolment(tx: Tx, call: Call) -> Reply:
    """Ends an enrolment, and forgets its messages."""
    mailbox.end(tx, call.who, call.path["id"])
    return Reply(shapes.EnrolmentEnded(id=call.path["id"]))


# --- recipes and the trail


def list_recipes(tx: Tx, call: Call) -> Reply:
    """The recipes that this platform offers."""
    found, mark = recipes.listed(tx)
    return _tagged(call, found, mark)


def get_recipe(tx: Tx, call: Call) -> Reply:
    """The recipe of one service."""
    return Reply(recipes.one(tx, call.path["service"]))


def publish_recipe(tx: Tx, call: Call) -> Reply:
    """Publishes a recipe, every field of it; needs the role for it."""
    service, new = recipes.publish(tx, call.who, call.body)
    return Reply(shapes.RecipeWritten(service=service), 201 if new else 200)


def delete_recipe(tx: Tx, call: Call) -> Reply:
    """Removes a recipe; needs the role for it."""
    recipes.remove(tx, call.who, call.path["service"])
    return Reply(shapes.RecipeWritten(service=call.path["service"]))


def trail(tx: Tx, call: Call) -> Reply:
    """What happened to the account, hash-chained."""
    return Reply(audit.entries(tx, call.who.account, call.number("since", 0)))


# --- the server itself


async def health(database: Database, call: Call) -> Reply:
    """Whether the server runs. The database is not asked: see /readyz."""
    del database, call
    return Reply(shapes.Health())


def ready(tx: Tx, call: Call) -> Reply:
    """Whether the database answers."""
    del call
    tx.one("SELECT version FROM schema_version LIMIT 1")
    return Reply(shapes.Health())


ROW = "/credentials/{name}"
ENROLMENT = "/devices/enrolments/{id}"
RECIPE = "/auth-recipes/{service}"

ROUTES: list[Route] = [
    # The router looks from the top: what is asked most stands first.
    Route("GET", "/credentials", list_rows, {200: shapes.SyncPage | shapes.PlainPage},
          keys=ALL_KEYS, writes=False, query=("since", "limit", "after")),
    Route("POST", "/credentials", put_row, {200: shapes.RowWritten, 201: shapes.RowWritten},
          takes=shapes.NewRow, keys=KEYS, conditional=True),
    Route("POST", "/credentials/batch", put_rows, {200: shapes.BatchWritten},
          takes=shapes.Batch, keys=KEYS),
    Route("GET", ROW, get_row, {200: shapes.RowGiven, 304: None}, keys=ALL_KEYS,
          writes=False, conditional=True),
    Route("DELETE", ROW, delete_row, {200: shapes.RowDeleted}, keys=KEYS, conditional=True),
    Route("POST", "/register", register, {201: shapes.Registered}, takes=shapes.Register),
    Route("GET", "/me", me, {200: shapes.Me}, keys=KEYS, writes=False, bearer=True),
    Route("DELETE", "/me", delete_me, {200: shapes.Done}, keys=KEYS, bearer=True),
    Route("PUT", "/me/api-key/rotate", rotate, {200: shapes.Rotated}, keys=KEYS, bearer=True),
    Route("DELETE", "/me/api-key", delete_my_key, {200: shapes.RemovedKey}, keys=KEYS,
          bearer=True),
    Route("GET", "/me/keys", list_keys, {200: shapes.ApiKeys}, keys=KEYS, writes=False,
          bearer=True),
    Route("POST", "/me/keys", create_key, {201: shapes.MintedKey}, takes=shapes.NewKey, keys=KEYS,
          bearer=True),
    Route("DELETE", "/me/keys/{id}", delete_key, {200: shapes.RemovedKey}, keys=KEYS,
          bearer=True),
    Route("GET", "/me/ci", list_ci, {200: login_shapes.CiVaults}, keys=KEYS, writes=False),
    Route("POST", "/me/ci", create_ci, {201: login_shapes.CiVault},
          takes=login_shapes.NewCiVault, keys=KEYS),
    Route("DELETE", "/me/ci/{id}", delete_ci, {200: login_shapes.CiRemoved}, keys=KEYS),
    Route("POST", "/leases", take_lease, {201: shapes.Lease}, takes=shapes.NewLease, keys=KEYS),
    Route("PUT", "/leases/{name}", renew_lease, {200: shapes.Lease}, takes=shapes.RenewLease,
          keys=KEYS),
    Route("DELETE", "/leases/{name}", release_lease, {200: shapes.Done},
          takes=shapes.ReleaseLease, keys=KEYS),
    Route("POST", "/devices/enrolments", begin_enrolment, {201: shapes.EnrolmentMade},
          takes=shapes.NewEnrolment, keys=KEYS),
    Route("GET", "/devices/enrolments", list_enrolments, {200: shapes.Enrolments}, keys=KEYS,
          writes=False),
    Route("GET", ENROLMENT, read_enrolment, {200: shapes.Enrolment}, keys=KEYS, writes=False),
    Route("POST", ENROLMENT, send_message, {201: shapes.MessageTaken}, takes=shapes.NewMessage,
          keys=KEYS),
    Route("DELETE", ENROLMENT, end_enrolment, {200: shapes.EnrolmentEnded}, keys=KEYS),
    Route("GET", "/auth-recipes", list_recipes, {200: shapes.Recipes, 304: None}, writes=False,
          conditional=True),
    Route("GET", RECIPE, get_recipe, {200: shapes.RecipeGiven}, writes=False),
    Route("POST", "/auth-recipes", publish_recipe,
          {200: shapes.RecipeWritten, 201: shapes.RecipeWritten}, takes=dict[str, Any],
          keys=KEYS),
    Route("DELETE", RECIPE, delete_recipe, {200: shapes.RecipeWritten}, keys=KEYS),
    Route("GET", "/audit", trail, {200: shapes.AuditTrail}, keys=KEYS, writes=False,
          query=("since",)),
    Route("GET", "/health", answers={200: shapes.Health}, own=health),
    Route("GET", "/readyz", ready, {200: shapes.Health}, writes=False),
]  # fmt: skip
