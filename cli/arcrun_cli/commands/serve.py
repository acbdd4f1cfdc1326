"""`arcrun serve`: the platform on one's own machine."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError
from arcrun_cli import ui
from arcrun_cli.app import Command
from arcrun_cli.faults import UsageFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.server.database import Database

PORT = 8765
DATABASE = "ARCRUN_DATABASE_URL"
"""The variable that names a PostgreSQL: a variable, as there is a password in it."""
REGISTRATION = ("open", "invite", "closed")
ROLES = ("user", "recipes", "admin")


@click.command(
    cls=Command,
    short_help="Run the platform: sync for your machines, on SQLite or PostgreSQL.",
    examples=(
        "arcrun serve                                    for this machine alone",
        "arcrun serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem",
        "arcrun serve --proxy 127.0.0.1 --url https://sync.example.com",
        "arcrun serve --invite user                      lets one more person in",
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True,
              help="The port; 0 for one that is free.")  # fmt: skip
@click.option("--data", type=click.Path(),
              help="The folder of the server, if not ~/.arcrun/server.")  # fmt: skip
@click.option("--url", help="The address that people and programs reach it at.")
@click.option("--tls-cert", type=click.Path(), help="The certificate and its chain, PEM.")
@click.option("--tls-key", type=click.Path(), help="The certificate's key, PEM.")
@click.option("--proxy", help="Addresses of proxies before it, whose forwarding is believed.")
@click.option("--registration", type=click.Choice(REGISTRATION), default="closed",
              show_default=True, help="Who may have an account.")  # fmt: skip
@click.option("--invite", type=click.Choice(ROLES), help="Print an invitation, and serve nothing.")
@click.option("--print-unit", is_flag=True, help="Print a unit for systemd, and serve nothing.")
def command(**given: Any) -> int:
    """Run the platform that keeps what your machines share: ciphertext, and who may fetch it.

    Its first start prints a link that makes the admin's account, once. It keeps a SQLite file in
    its folder; with ARCRUN_DATABASE_URL=postgresql://... it keeps nothing on this machine.
    """
    if given["print_unit"]:
        from arcrun_cli import unit

        ui.put(unit.text(given).rstrip("\n"))
        ui.tell(unit.THEN)
        return 0
    _check_installed()
    _check_reach(given)
    folder = _folder(given["data"])
    database = _database(folder)
    try:
        if given["invite"]:
            return _invite(database, given["invite"])
        return _serve(database, folder, given)
    finally:
        database.close()


def _check_installed() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("uvicorn", "httptools") if find_spec(name) is None]
    if missing:
        raise AuthError(
            f"The server needs what is not installed: {', '.join(missing)}.",
            hint="pip install 'arcrun-auth[server]'",
        )


def _check_reach(given: Mapping[str, Any]) -> None:
    """An API key goes over no network in the clear."""
    if bool(given["tls_cert"]) != bool(given["tls_key"]):
        raise UsageFault("A certificate and its key come together.", "arcrun serve --help")
    for name in ("tls_cert", "tls_key"):
        if given[name] and not os.access(given[name], os.R_OK):
            raise UsageFault(f"The file of --{name.replace('_', '-')} cannot be read.",
                             "arcrun serve --help")  # fmt: skip
    local = given["host"] in ("127.0.0.1", "::1", "localhost")
    if not (local or given["tls_cert"] or given["proxy"]):
        raise UsageFault(
            "Without TLS this server is for this machine alone: API keys would be readable on the "
            "network.",
            "arcrun serve --tls-cert CERT --tls-key KEY, or behind a proxy that has TLS: "
            "--proxy ADDRESS",
        )


def _folder(named: str | None) -> str:
    """The folder of the database, and of what the admin writes for it: server.toml, recipes."""
    if named:
        return os.path.abspath(named)
    from arcrun_auth.settings import Settings

    return os.path.join(Settings().home, "server")


def _database(folder: str) -> Database:
    from arcrun_auth.server.database import open_database

    url = os.environ.get(DATABASE)
    if url and not url.startswith(("postgresql://", "postgres://")):
        raise UsageFault(f"{DATABASE} is no URL of a PostgreSQL.", "postgresql://user@host/name")
    if url:
        return open_database(url)
    return open_database(os.path.join(folder, "server.db"))


def _invite(database: Database, role: str) -> int:
    from arcrun_auth.server import accounts

    ui.put(database.write(lambda tx: accounts.invite(tx, role)))
    ui.tell("It holds for 7 days, and for one account.")
    return 0


def _serve(database: Database, folder: str, given: Mapping[str, Any]) -> int:
    from arcrun_auth.server import accounts, providers, running
    from arcrun_auth.server.config import Config

    found = providers.find(folder)
    try:
        sock = running.listening(given["host"], given["port"])
    except OSError as error:
        raise AuthError(
            f"The port {given['port']} of {given['host']} cannot be had: {error.strerror}.",
            hint="arcrun serve --port 0 takes one that is free",
        ) from None
    url = given["url"] or _own_url(given, sock.getsockname()[1])
    config = Config(
        registration=given["registration"], url=url.rstrip("/"), folder=folder, providers=found
    )
    app = running.application(database, config)
    ui.tell(f"The platform listens at {url}")
    link = database.write(accounts.first_invite)
    if link is not None:
        ui.tell(f"Make the admin's account within the hour, with this link:\n  {url}/first/{link}")
    reach = running.Reach(given["tls_cert"] or "", given["tls_key"] or "", given["proxy"] or "")
    running.log_to_stderr()
    running.run(app, sock, reach)
    return 0


def _own_url(given: Mapping[str, Any], port: int) -> str:
    host = f"[{given['host']}]" if ":" in given["host"] else given["host"]
    return f"{'https' if given['tls_cert'] else 'http'}://{host}:{port}"
