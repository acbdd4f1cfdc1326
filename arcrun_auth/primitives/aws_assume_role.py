"""A role of AWS: its temporary credentials, got from STS with an access key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth import diagnosis
from arcrun_auth.errors import ProviderUnavailable, TokenRefused, printable
from arcrun_auth.moments import epoch_of
from arcrun_auth.primitives.aws_sigv4 import (
    KEY_ID,
    SECRET_KEY,
    SESSION_TOKEN,
    AwsSigV4,
    access_key,
)
from arcrun_auth.sigv4 import SigV4
from arcrun_auth.tokens import Grant, Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Final

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall
    from arcrun_auth.primitives.base import Desk
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place

SERVICE: Final = "sts"
VERSION: Final = "2011-06-15"
_ISSUED: Final = {
    KEY_ID: "AccessKeyId", SECRET_KEY: "SecretAccessKey", SESSION_TOKEN: "SessionToken",
}  # fmt: skip
_PASSING: Final = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded"})
"""Which errors of a status 400 pass by themselves?"""
_OK, _TOO_MANY, _SERVER_ERROR = 200, 429, 500


class AwsAssumeRole(AwsSigV4):
    """An access key that asks for a session of a role, which signs each request.

    A role that wants a one-time code (MFA) cannot be assumed: nobody is there at a renewal.
    """

    label = "a role that is assumed with an access key"
    method_id = "role"
    source = "grant"

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        yield from super().faults(way)
        if way.assume_role is None:
            yield ("assume_role",), "The role is missing."

    def servers(self, way: Method) -> Iterable[tuple[Place, str]]:
        if way.assume_role is not None:
            yield ("assume_role", "endpoint"), way.assume_role.endpoint

    def issue(self, desk: Desk) -> Grant:
        """A session of the role. TokenRefused, ProviderUnavailable, MissingSecret."""
        call = _request(desk)
        return _session(desk, desk.send(call))


def _request(desk: Desk) -> TokenCall:
    """AssumeRole of STS, signed with the access key."""
    from arcrun_auth.oauth.call import Draft, TokenCall, plain

    role, aws = desk.way.assume_role, desk.way.aws
    assert role is not None
    assert aws is not None
    known = desk.values()
    fields = {
        "Action": "AssumeRole",
        "Version": VERSION,
        "RoleArn": plain(role.role_arn, known),
        "RoleSessionName": plain(role.session_name, known),
        "ExternalId": plain(role.external_id, known),
        "DurationSeconds": str(role.duration_s),
    }
    draft = Draft(plain(role.endpoint, known), {n: v for n, v in fields.items() if v})
    draft.headers = {}
    call = draft.call("POST", "form")
    for key in (KEY_ID, SECRET_KEY):
        desk.secret(key)
    signed = SigV4(
        access_key(desk.secrets, desk.service), service=SERVICE, region=plain(aws.region, known)
    ).sign(
        method=call.method,
        url=call.url,
        headers=call.headers.items(),
        body=call.content,
        now=desk.now,
    )
    headers = {**call.headers, **{name.lower(): value for name, value in signed.headers}}
    return TokenCall(
        signed.url, headers=headers, content=call.content, secrets=tuple(desk.secrets.values())
    )


def _session(desk: Desk, answer: Answer) -> Grant:
    said = _texts(answer.body)
    expires = epoch_of(said.get("Expiration"))
    found = {name: said.get(tag, "") for name, tag in _ISSUED.items()}
    if answer.status == _OK and expires is not None and all(found.values()):
        role = desk.way.assume_role
        assert role is not None
        return Grant(
            # None of them is *the* token: what signs is all three.
            access_token=Secret(""),
            issued=desk.now,
            # Its end is by AWS's clock. Nothing tells us of one that was missed: an expired session
            # is answered 403, as much else is. By our own clock it lasts as long as was asked for.
            expires=min(expires, desk.now + role.duration_s),
            secrets={name: Secret(value) for name, value in found.items()},
        )
    raise _failure(desk, answer, said)


def _texts(body: bytes) -> Mapping[str, str]:
    """The texts of an XML answer by the names of their elements; empty where it is none."""
    from xml.etree import ElementTree as ET

    try:
        text = body.decode()  # in another encoding a declaration could hide from us
        # An answer of STS declares nothing: no entity to expand, inside or out.
        elements = ET.fromstring("" if "<!" in text else text).iter()  # noqa: S314 - at most 1 MiB
    except (ET.ParseError, UnicodeDecodeError):
        return {}
    return {each.tag.rpartition("}")[2]: (each.text or "").strip() for each in elements}


def _failure(
    desk: Desk, answer: Answer, said: Mapping[str, str]
) -> TokenRefused | ProviderUnavailable:
    """What an answer without a session amounts to."""
    status, code, service = answer.status, printable(said.get("Code", ""), 80), desk.service
    passes = status == _TOO_MANY or status >= _SERVER_ERROR or code in _PASSING
    if passes or not code:
        return ProviderUnavailable(
            f"{service}: the role's session could not be had now (status {status}"
            + (f", {code})." if code else ")."),
            service=service,
            status=status,
            hint=f"arcrun test {service}",
        )
    words = said.get("Message", "")
    meant = diagnosis.find(desk.way.diagnose, status=status, error=code, text=f"{code}: {words}")
    meaning = f" {meant.say}" if meant is not None else ""
    return TokenRefused(
        f"{service}: the role was refused ({code}): {printable(words)}{meaning}",
        service=service,
        error=code,
        description=words,
        meaning=meant.say if meant is not None else None,
        hint=(meant.do if meant is not None else "") or f"arcrun setup {service}",
    )
