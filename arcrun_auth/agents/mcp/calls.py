"""What the tools that send requests do: read, write, test, list, tell how."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import anyio.to_thread

from arcrun_auth.agents import seen
from arcrun_auth.agents.asking import Asked
from arcrun_auth.agents.mcp import models
from arcrun_auth.agents.mcp.jobs import StillRunning
from arcrun_auth.agents.mcp.texts import Fault, fenced, still_waiting
from arcrun_auth.agents.refusals import forbidden
from arcrun_auth.errors import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from arcrun_auth.agents.asking import Answer, Judged, Seen
    from arcrun_auth.agents.gateway import Gateway
    from arcrun_auth.agents.mcp.session import Call
    from arcrun_auth.policy import Verdict

_SHOWN = 300
"""How many characters of a body are shown to whoever confirms it?"""
_LONGEST_URL = 1000
_KIND = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}(; ?charset=[\w-]{1,40})?")
"""A media type as everybody writes it: no room for a sentence."""


async def services(call: Call, given: models.Nothing) -> tuple[models.Connections, str]:
    """The connections that this client may know of."""
    del given
    gateway = await call.gateway()
    found = await call.thread(lambda: [_shown(gateway, each) for each in gateway.services()])
    lines = [f"{each.service}@{each.instance}: {each.status}" for each in found]
    return models.Connections(connections=found), "\n".join(lines) or (
        "Nothing is connected for you yet. Call arcrun_connect with the name of a service, or ask "
        "your human to run in a terminal: arcrun setup SERVICE"
    )


def _shown(gateway: Gateway, found: Seen) -> models.Connection:
    # What an untrusted recipe calls itself could be an instruction.
    trusted = gateway.broker.recipes.entry(found.service).trusted
    return models.Connection(
        service=found.service,
        instance=found.instance,
        name=printable(found.display_name, 80) if trusted else found.service,
        status=found.status,
        identity=printable(found.identity, 80) if found.identity else None,
        scopes=[printable(scope, 200) for scope in found.scopes],
        expires_at=found.expires_at.isoformat() if found.expires_at else None,
        base_url=found.base_url,
        hosts=list(found.hosts),
        can_write=found.can_write,
    )


async def how_to(call: Call, given: models.Named) -> tuple[models.HowTo, str]:
    """The text of `arcrun how-to`, with the state of a connection that this client may know."""
    gateway = await call.gateway()
    found = await call.thread(lambda: _how_to(gateway, given))
    return found, found.text


def _how_to(gateway: Gateway, given: models.Named) -> models.HowTo:
    from arcrun_auth.agents.how_to import how_to as text_of

    broker = gateway.broker
    service, instance, _ = seen.named(broker, given.service, given.instance)
    known = (each for each in gateway.services() if each.service == service)
    state = next((each for each in known if each.instance == instance), None)
    text = text_of(
        broker.recipes.recipe(service),
        given.instance,
        trusted=broker.recipes.entry(service).trusted,
        status=state.status if state is not None else None,
        identity=state.identity if state is not None else None,
    )
    return models.HowTo(service=service, text=text)


async def test(call: Call, given: models.Named) -> tuple[models.Tested, str]:
    """The recipe's test request."""
    gateway = await call.gateway()
    found = await call.thread(lambda: gateway.test(given.service, given.instance))
    tested = models.Tested(
        service=found.name,
        ok=True,
        identity=printable(found.identity, 80) if found.identity else None,
        latency_ms=round(found.seconds * 1000, 1),
    )
    return tested, f"{found.name} works."


async def get(call: Call, given: models.Get) -> tuple[models.Answer, str]:
    """A request that reads."""
    gateway = await call.gateway()
    judged = await call.thread(lambda: gateway.judge(_asked(given)))
    if judged.what != "read":
        raise await _writes_here(call, judged)
    return _answered(judged, await call.thread(lambda: gateway.send(judged)))


async def write(call: Call, given: models.Write) -> tuple[models.Answer, str]:
    """A request that changes something: confirmed in the client, or allowed by a rule."""
    gateway = await call.gateway()
    judged = await call.thread(lambda: gateway.judge(_asked(given)))
    if judged.what == "read":
        raise Fault("reads", "This request only reads. Nothing was sent.", "Use arcrun_get.")
    if not await call.may_write() or _is_forbidden(judged.verdict):
        raise forbidden(judged, judged.verdict)
    try:
        answer = await call.session.jobs.run(
            _about(judged), lambda: _sent(call, gateway, judged), call.until
        )
    except StillRunning:
        raise still_waiting("your human's answer, or the service's") from None
    return _answered(judged, answer)


async def _sent(call: Call, gateway: Gateway, judged: Judged) -> Answer:
    """Sends it once its human said yes, in the client or before."""
    rule = judged.verdict.rule
    said_yes = rule is not None and rule.digest
    asks = call.asker.by_form and (judged.verdict.allowed or gateway.beyond_rules)
    confirmed = asks and not said_yes
    if confirmed and not await call.asker.form(
        _about(judged), _question(gateway.client, judged), "Send it?"
    ):
        raise _declined()
    if not judged.verdict.allowed:
        await anyio.to_thread.run_sync(lambda: _approved(gateway, judged, confirmed=confirmed))
    return await anyio.to_thread.run_sync(lambda: gateway.send(judged, confirmed=confirmed))


def _about(judged: Judged) -> str:
    """What a yes is bound to: this request, by this connection."""
    return f"{judged.name} {judged.digest}"


async def _writes_here(call: Call, judged: Judged) -> Exception:
    if not await call.may_write() or _is_forbidden(judged.verdict):
        return forbidden(judged, judged.verdict)
    return Fault(
        "writes",
        f"{judged.method} {printable(judged.path, 200)} changes something. Nothing was sent.",
        "Use arcrun_write.",
    )


def _is_forbidden(verdict: Verdict) -> bool:
    """Whether a rule says no: nobody's click is asked for then."""
    return not verdict.allowed and verdict.rule is not None


def _approved(gateway: Gateway, judged: Judged, *, confirmed: bool) -> None:
    """Where no rule allows it, a yes in the client does if writes were offered, and the policy is
    not closed; else the request is kept for a person. The same request has the same number."""
    if confirmed and not gateway.broker.policies.closed:
        return
    pending = gateway.ask_human(judged)
    if pending.state == "refused":
        raise _declined()
    raise Fault(
        "needs_approval",
        "Your human has to approve this request first. Nothing was sent.",
        f"Ask your human to run in a terminal: arcrun approve {pending.id}\n"
        "Then call this tool again with the same arguments, within 10 minutes.",
    )


def _declined() -> Fault:
    return Fault("declined", "Your human said no. Nothing was sent.", "Ask them what they want.")


def _question(client: str, judged: Judged) -> str:
    """What a person reads before a write goes out. Each of its lines is one fact: whatever the
    agent chose is kept on a line of its own."""
    body = judged.asked.body
    shown = json.dumps(printable(body.decode("utf-8", "replace"), _SHOWN), ensure_ascii=False)
    lines = [
        f"{client} wants to change something by your connection {judged.name}:",
        f"{judged.method} {printable(judged.url, _LONGEST_URL)}",
        f"Host: {judged.host}",
        *([f"Headers: {printable(judged.parameters, _SHOWN)}"] if judged.parameters else []),
        f"Body: {len(body):,} bytes" + (f", begins: {shown}" if body else ""),
        f"Fingerprint of the whole request: {judged.digest[:16]}",
    ]
    return "\n".join(lines)


def _answered(judged: Judged, answer: Answer) -> tuple[models.Answer, str]:
    found = models.Answer(
        service=judged.name,
        method=judged.method,
        path=judged.path,
        status=answer.status,
        content_type=answer.content_type if _KIND.fullmatch(answer.content_type) else "",
        untrusted_headers=dict(answer.headers),
        truncated=answer.truncated,
        untrusted_content=answer.text,
    )
    cut = " It was cut at the size limit (truncated): ask for less." if answer.truncated else ""
    return found, f"HTTP status {answer.status}.{cut}\n" + fenced(answer.text, judged.name)


def _asked(given: models.Get | models.Write) -> Asked:
    body, kind = _body(given.body)
    headers = dict(given.headers)
    if kind and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = kind
    return Asked(
        service=given.service,
        method=given.method,
        path=given.path,
        instance=given.instance,
        query=_query(given.query),
        headers=headers,
        body=body,
    )


def _query(given: Mapping[str, models.Plain | list[models.Plain]]) -> dict[str, str | list[str]]:
    return {
        name: [_word(each) for each in value] if isinstance(value, list) else _word(value)
        for name, value in given.items()
    }


def _word(value: models.Plain) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _body(given: object) -> tuple[bytes, str]:
    """The bytes, and what they are. Agents write JSON as a text as often as not."""
    if given is None:
        return b"", ""
    if not isinstance(given, str):
        return json.dumps(given).encode(), "application/json"
    try:
        json.loads(given)
    except ValueError:
        return given.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    return given.encode("utf-8", "replace"), "application/json"
