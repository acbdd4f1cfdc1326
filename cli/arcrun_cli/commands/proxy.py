"""`arcrun proxy`: services at an address of this machine, without their keys."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from arcrun_auth.errors import AuthError, LoginRequired, printable
from arcrun_cli import agents, ui
from arcrun_cli.app import Command
from arcrun_cli.options import Service, broker, full_name, json_option, seconds_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from arcrun_auth.agents.asking import Seen
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.proxy import Proxy
    from arcrun_auth.broker import Broker
    from arcrun_auth.tokens import Secret

A_MINUTE = 600
"""How many requests may a session send in a minute? A program's are more than a conversation's."""
HOURS = "8h"

EXAMPLE = "arcrun proxy notion --for 2h"


@click.command(
    cls=Command,
    short_help="Services at an address of this machine: the key stays here.",
    examples=(
        "arcrun proxy notion github",
        "arcrun proxy openai --client nightly --for 2h --token-file ~/.bearer",
        "arcrun proxy notion --socket ~/agent/arcrun/proxy.sock",
    ),
)
@click.argument("names", nargs=-1, type=Service(), metavar="[SERVICE[@INSTANCE]]...")
@click.option("--client",
              help="What it is called in rules; in an agent's shell as the agent.")  # fmt: skip
@click.option("--for", "span", default=HOURS, show_default=True, metavar="TIME",
              help="How long it lasts: 30m, 8h.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=0,
              help="The port; one that is free if not given.")  # fmt: skip
@click.option("--socket", "path", type=click.Path(),
              help="Listen at a Unix socket instead, for a container.")  # fmt: skip
@click.option("--token-file", type=click.Path(),
              help="Write the bearer into this file instead, for its owner alone.")  # fmt: skip
@click.option("--allow-origin", "origins", multiple=True, metavar="ORIGIN",
              help="A page that may ask, if it has the bearer; none if not given.")  # fmt: skip
@click.option("--until-eof", is_flag=True,
              help="End with standard input: for a program that starts this one.")  # fmt: skip
@json_option
def command(names: Sequence[str], **given: Any) -> int:
    """Serve SERVICES, or all that you have connected, at an address of this machine.

    http://127.0.0.1:PORT/notion/... is the service's own address, and the bearer that is printed
    stands for its key: wherever an SDK puts that. The session may do what the policy allows its
    client: read, if there is no rule. It ends with the time, or with this command.
    """
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.proxy import Proxy, new_session
    from arcrun_auth.policy import client_name

    seconds = seconds_in(given["span"], EXAMPLE)
    here = broker()
    client = client_name(agents.marker() or given["client"] or "proxy")
    gateway = Gateway(here, client=client, a_minute=A_MINUTE)
    services = _chosen(here, gateway, names)
    ends = time.time() + seconds
    session, bearer = new_session(client, tuple(services) if names else (), ends)
    with ExitStack() as stack:
        stack.callback(gateway.close)
        proxy = Proxy(
            gateway, session, port=given["port"], path=given["path"], origins=given["origins"]
        )
        if given["token_file"]:
            stack.enter_context(_kept(given["token_file"], bearer))
        _tell(here, proxy, services, bearer, given)
        _serve(proxy, until_eof=given["until_eof"])
    if not given["until_eof"]:
        ui.tell("The session has ended." if time.time() >= ends else "The proxy has ended.")
    return 0


def _chosen(here: Broker, gateway: Gateway, names: Sequence[str]) -> dict[tuple[str, str], Seen]:
    """The connections of the session. LoginRequired for one that is not connected."""
    seen = {(each.service, each.instance): each for each in gateway.services()}
    if not names:
        if not seen:
            raise AuthError("Nothing is connected yet.", hint="arcrun setup SERVICE")
        return seen
    found = {}
    for name in names:
        key = here.named(name)
        if key not in seen:
            typed = full_name(here, *key)
            raise LoginRequired(f"{typed} is not connected.", service=typed)
        found[key] = seen[key]
    return found


def _tell(
    here: Broker,
    proxy: Proxy,
    services: dict[tuple[str, str], Seen],
    bearer: Secret,
    given: dict[str, Any],
) -> None:
    """The one place where the bearer is shown: on standard output, or in its file."""
    from arcrun_auth.agents.proxy import environment

    urls = {full_name(here, *key): _base_url(here, proxy, key) for key in services}
    names: dict[str, str | None] = {environment.URL: proxy.origin, environment.TOKEN: None}
    if proxy.socket is not None:
        names[environment.SOCKET] = os.path.abspath(proxy.socket)
    for (service, _), url in zip(services, urls.values(), strict=True):
        for name, value in environment.variables(here.recipes.entry(service), url).items():
            names.setdefault(name, value)  # of two accounts of a service the first has the name
    shown = not given["token_file"]
    if shown:
        variables = environment.filled(names, bearer.reveal())
    else:
        variables = {name: value for name, value in names.items() if value is not None}
    if given["as_json"]:
        ui.put_json(
            {
                "url": proxy.origin,
                "socket": names.get(environment.SOCKET),
                "token": bearer.reveal() if shown else None,
                "token_file": given["token_file"] and os.path.abspath(given["token_file"]),
                "client": proxy.session.client,
                "ends": datetime.fromtimestamp(proxy.session.ends, UTC),
                "services": [{"name": name, "base_url": url} for name, url in urls.items()],
                "env": variables,
            }
        )
    else:
        for name, value in variables.items():
            ui.put(f"{name}={value}")
    sys.stdout.flush()
    if given["until_eof"]:  # nobody reads along
        return
    place = proxy.origin if proxy.socket is None else printable(proxy.socket)
    ui.tell(
        f"{', '.join(urls)} for {proxy.session.client} at {place}, for {given['span']}. "
        "Ctrl-C ends it."
    )


def _base_url(here: Broker, proxy: Proxy, key: tuple[str, str]) -> str:
    service, at, instance = full_name(here, *key).partition("@")
    return proxy.base_url(service, instance if at else None)


@contextmanager
def _kept(path: str, bearer: Secret) -> Iterator[None]:
    """The bearer in a file of its own, as long as the session lasts."""
    from arcrun_auth.agents.proxy.session import PREFIX
    from arcrun_cli import outfile

    path = os.path.abspath(path)
    outfile.check(path, None, force=False)
    if os.path.exists(path):
        with open(path, "rb") as file:
            if file.read(len(PREFIX)) != PREFIX.encode():
                raise AuthError(
                    f"{printable(path)} is there already, and holds no bearer.",
                    hint="choose another --token-file",
                )
    outfile.write(path, bearer.reveal().encode() + b"\n")
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)


def _serve(proxy: Proxy, *, until_eof: bool) -> None:
    """Until the session ends, or somebody ends it."""
    from arcrun_auth import threads

    if until_eof:
        threads.start(lambda: _await_eof(proxy), "arcrun-proxy-input")
    before = {
        number: signal.signal(number, lambda *_: proxy.stop())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        proxy.serve()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await_eof(proxy: Proxy) -> None:
    with suppress(OSError):
        while os.read(0, 4096):
            pass
    proxy.stop()
