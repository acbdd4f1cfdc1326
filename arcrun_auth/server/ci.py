"""Keys for CI jobs that hold none: a job shows the identity token of its CI system (OIDC).

An account says once which jobs may have which rows: the issuer, a pattern for the subject, the
names of the rows. A token counts for this server's address as its audience, and for no other.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from arcrun_auth.errors import AuthError, ProviderUnavailable
from arcrun_auth.hosts import fence_of
from arcrun_auth.server import audit, keys
from arcrun_auth.server.claims import BadToken, subject_fits
from arcrun_auth.server.login_shapes import CiKey, CiVault, NewCiVault
from arcrun_auth.server.moments import stamp
from arcrun_auth.server.problems import Problem, later

if TYPE_CHECKING:
    from arcrun_auth.server.database import Tx
    from arcrun_auth.server.keys import Caller
    from arcrun_auth.server.visits import Site, Visit

KEY_SECONDS = 900.0
"""How long does the key of a job hold?"""
_WHOSE = re.compile(r"[^*:]+:[^*:/]+[/:]")
"""How does a pattern begin that leaves something open? With an owner, to the end of the name:
`repo:ada*` would mean whoever calls themselves adam."""
MOST = 100
"""How many CI vaults may an account have?"""


def create(tx: Tx, who: Caller, new: NewCiVault, allow: tuple[str, ...]) -> CiVault:
    """Which jobs may fetch which rows. Problem 400 for an issuer that cannot be asked, or a
    pattern that means everybody."""
    try:
        fence_of(new.issuer, allow)
    except (ValueError, AuthError):
        raise Problem(400, "The issuer is no public https address.") from None
    if "*" in new.subject and not _WHOSE.match(new.subject):
        # Anybody has a job at a public CI system: a pattern begins with who it is about.
        raise Problem(400, "The subject says whose jobs are meant: repo:OWNER/NAME:…")
    count = tx.one("SELECT count(*) FROM ci_vaults WHERE account = ?", who.account)
    if count is not None and count[0] >= MOST:
        raise Problem(413, f"This account has its {MOST} CI vaults. Delete one first.")
    id_, now = keys.new_id("ci"), tx.now()
    tx.run(
        "INSERT INTO ci_vaults (id, account, label, row_names, issuer, subject, created_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        id_, who.account, new.label, msgspec.json.encode(new.rows).decode(), new.issuer,
        new.subject, now,
    )  # fmt: skip
    audit.note(tx, who.account, actor=who.key, action="ci.create", name=id_)
    return CiVault(
        id=id_, label=new.label, rows=new.rows, issuer=new.issuer, subject=new.subject,
        created_at=stamp(now),
    )  # fmt: skip


def listed(tx: Tx, who: Caller) -> list[CiVault]:
    """The account's CI vaults."""
    rows = tx.all(
        "SELECT id, label, row_names, issuer, subject, created_at FROM ci_vaults"
        " WHERE account = ? ORDER BY created_at, id",
        who.account,
    )
    return [
        CiVault(id=r[0], label=r[1], rows=msgspec.json.decode(r[2]), issuer=r[3], subject=r[4],
                created_at=stamp(r[5]))
        for r in rows
    ]  # fmt: skip


def remove(tx: Tx, who: Caller, id_: str) -> None:
    """No job gets a key by it any more. Problem 404 where the account has none of that id."""
    if not tx.run("DELETE FROM ci_vaults WHERE account = ? AND id = ?", who.account, id_):
        raise Problem(404, "This account has no such CI vault.")
    audit.note(tx, who.account, actor=who.key, action="ci.delete", name=id_)


def key_for(site: Site, visit: Visit) -> CiKey:
    """A key of kind `ci` for the job whose identity token is shown.

    Problem 403 with the reason: it tells whoever sets a job up what its token says wrong.
    """
    asked: Any = visit.body
    found = site.read(
        lambda tx: tx.one(
            "SELECT account, row_names, issuer, subject FROM ci_vaults WHERE id = ?", asked.vault
        )
    )
    if found is None:
        raise Problem(403, "No CI vault of this server is for this job.")
    account, rows, issuer, subject = found
    try:
        claims = site.issuers.verified(
            asked.token, issuer=issuer, audience=site.url, now=site.now(), strange=True
        )
    except ProviderUnavailable as error:
        raise later(error.message, error.retry_after or 5) from None
    except BadToken as error:
        raise Problem(403, error.message) from None
    except AuthError:
        raise Problem(403, "The issuer of this CI vault does not say who it is.") from None
    if not subject_fits(subject, claims["sub"]):
        raise Problem(403, "This job is none of those that the CI vault is for.")
    return site.write(lambda tx: _minted(tx, account, asked.vault, msgspec.json.decode(rows)))


def _minted(tx: Tx, account: str, vault: str, rows: list[str]) -> CiKey:
    # Those of earlier jobs have ended: they would fill the account's share.
    tx.run(
        "DELETE FROM api_keys WHERE account = ? AND kind = 'ci' AND expires_at <= ?",
        account, tx.now(),
    )  # fmt: skip
    key, made = keys.mint(tx, account, "ci", f"a job of {vault}", rows=rows, expires_in=KEY_SECONDS)
    audit.note(tx, account, actor=vault, action="ci.login", name=made.id)
    return CiKey(api_key=key, rows=rows, expires_at=made.expires_at)
