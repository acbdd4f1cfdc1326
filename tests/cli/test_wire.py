"""The formats of the credential helpers: nothing that is read or written can end its line."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_auth.tokens import Secret, Token
from arcrun_cli.helpers import wire

BREAKS = "\r\n\0"
ANY = st.text(max_size=60)
CLEAN = st.text(
    st.characters(exclude_characters=BREAKS, exclude_categories=["Cs"]), min_size=1, max_size=40
)
NAME = st.text(string.ascii_lowercase + "[]", min_size=1, max_size=12)
HOST = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]{2,6}){1,3}", fullmatch=True)


def as_git_reads(data: bytes) -> list[tuple[str, str]]:
    """Lines of name and value, as git splits them (credential.c)."""
    return [tuple(line.split("=", 1)) for line in data.decode().removesuffix("\n").split("\n")]


# -- git: what is written ------------------------------------------------------------------


@given(ANY, ANY, st.none() | st.floats(0, 1e11))
def test_an_answer_has_the_fields_that_were_meant_and_no_other(user, password, expires):
    try:
        answer = wire.git_answer(user, password, expires)
    except AuthError:
        assert not user or not password or set(BREAKS) & set(user + password)
        return
    fields = [("username", user), ("password", password)]
    if expires is not None:
        fields.append(("password_expiry_utc", str(int(expires))))
    assert as_git_reads(answer) == fields
    assert not set(b"\r\0") & set(answer)


@given(CLEAN, CLEAN, CLEAN, st.sampled_from(BREAKS))
def test_a_break_in_a_value_is_refused_wherever_it_stands(user, before, after, char):
    for pair in ((user, before + char + after), (before + char + after, user)):
        with pytest.raises(AuthError, match="not handed out"):
            wire.git_answer(*pair, None)


def test_a_refused_value_is_not_repeated():
    with pytest.raises(AuthError) as caught:
        wire.git_answer("me", "hunter2\nhost=evil.example", None)
    assert "hunter2" not in str(caught.value)


def test_user_and_password_come_first_since_old_gits_know_nothing_else():
    assert wire.git_answer("me", "t", 1764000000.9) == (
        b"username=me\npassword=t\npassword_expiry_utc=1764000000\n"
    )


# -- git: what is read ---------------------------------------------------------------------


@given(st.dictionaries(NAME.filter(lambda n: not n.endswith("[]")), CLEAN, max_size=6))
def test_a_request_is_read_as_it_was_written(fields):
    data = "".join(f"{name}={value}\n" for name, value in fields.items()) + "\n"
    assert wire.git_request(data.encode()) == fields


@given(st.binary(max_size=200), st.sampled_from([b"\r", b"\0"]), st.binary(max_size=200))
def test_a_carriage_return_or_nul_anywhere_refuses_all_of_it(before, char, after):
    with pytest.raises(AuthError, match="carriage return or a NUL"):
        wire.git_request(b"protocol=https\nhost=a.example\n" + before + char + after)


@given(st.binary(max_size=300))
def test_whatever_comes_in_is_fields_or_one_typed_error(data):
    try:
        fields = wire.git_request(data)
    except AuthError:
        return
    assert not any(set(BREAKS) & set(name + value) for name, value in fields.items())


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"protocol=https\nhost=a.example\nhost=b.example\n", "twice"),
        (b"protocol=https\nhost\n", "no name=value"),
        (b"=https\n", "no name=value"),
        (b"path=" + b"x" * wire.MAX_BYTES, "more than"),
    ],
)
def test_what_could_mean_two_things_is_refused(data, why):
    with pytest.raises(AuthError, match=why):
        wire.git_request(data)


def test_fields_that_may_come_several_times_do():
    data = b"wwwauth[]=Basic\nwwwauth[]=Bearer\nhost=a.example\nhost=a.example\ncapability[]=x\n"
    assert wire.git_request(data) == {"host": "a.example"}


def test_the_empty_line_ends_a_request():
    assert wire.git_request(b"host=a.example\n\nhost=b.example\n") == {"host": "a.example"}
    assert wire.git_request(b"") == {}


# -- the host ------------------------------------------------------------------------------


@given(HOST, st.none() | st.integers(1, 65535))
def test_a_host_is_taken_exactly_with_its_port(host, port):
    text = host if port is None else f"{host}:{port}"
    assert wire.origin("https", text) == ("https", host, port or 443)


@given(HOST, st.sampled_from(" \t\n\r\0\x85\u2028/@#?\\:%*,\N{FULLWIDTH FULL STOP}"), HOST)
def test_a_host_with_anything_else_in_it_is_none(host, char, more):
    for text in (host + char, char + host, f"{host}{char}{more}", f"{host}{char}1"):
        found = wire.origin("https", text)
        assert found is None or text == f"{host}:1"


@pytest.mark.parametrize("host", ["", ".", ":443", "a.example:", "a.example:0", "a.example:65536",
                                  "[::1", "::1", "0x7f000001", "127.1"])  # fmt: skip
def test_no_host_matches_nothing(host):
    assert wire.origin("https", host) is None


@pytest.mark.parametrize("scheme", ["", "ssh", "HTTPS", "cert", "smtp", "https ", "file"])
def test_only_http_and_https_have_passwords_of_ours(scheme):
    assert wire.origin(scheme, "a.example") is None


def test_an_ip_address_and_capitals_are_compared_as_they_go_onto_the_wire():
    assert wire.origin("http", "[::1]:8080") == ("http", "::1", 8080)
    assert wire.origin("https", "GitHub.COM") == ("https", "github.com", 443)


# -- docker --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("server", "origin"),
    [
        ("ghcr.io", ("https", "ghcr.io", 443)),
        ("https://ghcr.io", ("https", "ghcr.io", 443)),
        ("https://ghcr.io:8443/v2/", ("https", "ghcr.io", 8443)),
        ("127.0.0.1:5000", ("https", "127.0.0.1", 5000)),
        ("http://127.0.0.1:5000", ("http", "127.0.0.1", 5000)),
        ("ghcr.io/owner/image", ("https", "ghcr.io", 443)),
        ("ftp://ghcr.io", None),
        ("https://me@ghcr.io", None),
        ("https://ghcr.io\\@evil.example", None),
        ("https://ghcr.io#@evil.example", None),
        ("https://ghcr.io?x", None),
        ("//ghcr.io", None),
        ("https://", None),
        (" ghcr.io", None),
    ],
)
def test_a_registry_is_named_bare_or_by_a_url(server, origin):
    assert wire.docker_origin(wire.docker_server(server.encode())) == origin


@given(CLEAN, st.sampled_from(BREAKS), CLEAN)
def test_a_server_is_one_line(before, char, after):
    with pytest.raises(AuthError, match="line break"):
        wire.docker_server(f"{before}{char}{after}".encode())


def test_a_line_break_behind_it_is_that_of_a_shell():
    assert wire.docker_server(b"ghcr.io\n") == "ghcr.io"
    with pytest.raises(AuthError, match="line break"):
        wire.docker_server(b"ghcr.io\r\n")


def test_no_server_is_what_the_library_calls_it():
    with pytest.raises(AuthError, match=r"^no credentials server URL$"):
        wire.docker_server(b"")
    with pytest.raises(AuthError, match="more than"):
        wire.docker_server(b"x" * (wire.MAX_BYTES + 1))


@given(ANY, ANY, ANY)
def test_docker_gets_one_object_with_three_texts(server, user, secret):
    try:
        answer = wire.docker_answer(server, user, secret)
    except AuthError:
        assert not (server and user and secret) or set(BREAKS) & set(server + user + secret)
        return
    assert json.loads(answer) == {"ServerURL": server, "Username": user, "Secret": secret}
    assert "\n" not in answer


# -- AWS -----------------------------------------------------------------------------------


def keys(expires=None, **secrets) -> Token:
    return Token("", expires=expires, secrets={name: Secret(v) for name, v in secrets.items()})


def test_keys_of_a_session_say_when_they_end():
    token = keys(1764000000.5, access_key_id="ASIA1", secret_access_key="s", session_token="t")
    assert json.loads(wire.aws_answer("aws", token)) == {
        "Version": 1,
        "AccessKeyId": "ASIA1",
        "SecretAccessKey": "s",
        "SessionToken": "t",
        "Expiration": "2025-11-24T16:00:00Z",
    }


def test_lasting_keys_have_no_session_and_no_end():
    token = keys(access_key_id="AKIA1", secret_access_key="s")
    assert json.loads(wire.aws_answer("aws", token)) == {
        "Version": 1, "AccessKeyId": "AKIA1", "SecretAccessKey": "s",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("secrets", "why"),
    [
        ({}, "no access_key_id"),
        ({"access_key_id": "AKIA1"}, "no secret_access_key"),
        ({"access_key_id": "AKIA1", "secret_access_key": ""}, "is empty"),
        ({"access_key_id": "AKIA1", "secret_access_key": "a\nb"}, "line break"),
    ],
)
def test_what_does_not_sign_for_aws_is_not_handed_out(secrets, why):
    with pytest.raises(AuthError, match=why):
        wire.aws_answer("aws", keys(**secrets))
