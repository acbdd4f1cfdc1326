"""Digest authentication: the RFC's examples, httpx beside us, and every shape of a challenge."""

from __future__ import annotations

import hashlib

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import digest
from arcrun_auth.digest import Challenge, Session
from arcrun_auth.tokens import Secret
from tests import canary
from tests.digest_desk import Desk, parse
from tests.servers import recorder

# RFC 7616 §3.9.1
EXAMPLE = Challenge(
    realm="http-auth@example.org",
    nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
)
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
URI = "/dir/index.html"

token = st.text("abcdefABCDEF0123456789+/=.- ", min_size=1, max_size=20)


def answer(challenge: Challenge, **more) -> dict[str, str]:
    known = {"method": "GET", "uri": URI, "username": "Mufasa", "password": "Circle of Life"}
    known |= more
    password = Secret(known.pop("password"))
    return parse(Session(challenge, CNONCE).authorization(password=password, **known))


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_answer_is_the_one_in_the_rfc(algorithm, response) -> None:
    assert answer(EXAMPLE._replace(algorithm=algorithm)) == {
        "username": "Mufasa",
        "realm": EXAMPLE.realm,
        "nonce": EXAMPLE.nonce,
        "uri": URI,
        "response": response,
        "algorithm": algorithm,
        "opaque": EXAMPLE.opaque,
        "qop": "auth",
        "nc": "00000001",
        "cnonce": CNONCE,
    }


def test_a_server_that_names_no_qop_gets_the_answer_of_rfc_2069() -> None:
    old = Challenge("testrealm@host.com", "dcd98b7102dd2f0e8b11d0f600bfb0c093", qop="")
    fields = answer(old, password="CircleOfLife")
    # The erratum 749 to RFC 2069 §2.4.
    assert fields["response"] == "1949323746fe6a43ef61f9606e7febea"
    assert not fields.keys() & {"qop", "nc", "cnonce", "algorithm", "opaque"}


@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    target=st.text("abc/%20?&=", max_size=20),
    who=st.tuples(token, st.text(st.characters(exclude_categories=["Cs"]))),
    challenge=st.builds(
        Challenge,
        realm=token,
        nonce=token,
        algorithm=st.sampled_from(["MD5", "MD5-sess", "SHA-256", "SHA-256-SESS"]),
        qop=st.sampled_from(["auth", ""]),
        opaque=st.one_of(st.none(), token),
        stale=st.just(False),  # of these two httpx knows nothing
        userhash=st.just(False),
    ),
)
def test_whatever_is_answered_httpx_answers_it_alike(method, target, who, challenge) -> None:
    username, password = who
    # Without a qop it leaves out the cnonce that is needed to check a session key.
    challenge = challenge._replace(qop="auth") if challenge.session else challenge
    request = httpx.Request(method, f"https://api.example.com/{target}")
    peer = httpx.DigestAuth(username, password)
    peer._get_client_nonce = lambda count, nonce: CNONCE.encode()
    flow = peer.auth_flow(request)
    fields = challenge._replace(opaque=challenge.opaque or "")._asdict()
    asked = [f'{name}="{fields[name]}"' for name in ("realm", "nonce", "opaque", "qop")]
    asked += [f"algorithm={challenge.algorithm}"]
    header = "Digest " + ", ".join(each for each in asked if not each.endswith('=""'))
    next(flow)
    signed = flow.send(httpx.Response(401, headers={"WWW-Authenticate": header}, request=request))
    found = digest.read([header])
    assert found == challenge
    uri = request.url.raw_path.decode()
    ours = answer(found, method=method, uri=uri, username=username, password=password)
    assert ours == parse(signed.headers["authorization"])


@pytest.mark.parametrize(
    "algorithm", ["", "MD5", "md5-sess", "MD5-sess", "SHA-256", "SHA-256-sess"]
)
@pytest.mark.parametrize("qop", ["auth", "auth-int,auth", ""])
@pytest.mark.parametrize("userhash", [False, True])
def test_a_server_that_checks_every_field_lets_us_in(algorithm, qop, userhash) -> None:
    username, password = 'Jäsøn "D" Doe', canary.fresh()
    desk = Desk(username, password, algorithm, qop, userhash)
    with recorder(desk) as server, httpx.Client() as client:
        refused = client.get(f"{server.origin}/a%20b?c=d&e")
        session = Session(digest.read(refused.headers.get_list("www-authenticate")))
        for _ in range(3):
            header = session.authorization(
                method="GET", uri="/a%20b?c=d&e", username=username, password=Secret(password)
            )
            answered = client.get(refused.url, headers={"Authorization": header})
            assert answered.status_code == 200
    assert desk.counts == ([1, 2, 3] if qop else [1, 1, 1])


def test_the_server_of_the_tests_lets_httpx_in_too_and_no_wrong_password() -> None:
    # It reads `\"` in a realm as `"`, and hashes that.
    desk = Desk("user", canary.fresh(), "SHA-256-sess", realm="vault")
    with recorder(desk) as server:
        right = httpx.DigestAuth("user", desk.password)
        wrong = httpx.DigestAuth("user", canary.fresh())
        assert httpx.get(server.origin, auth=right).status_code == 200
        assert httpx.get(server.origin, auth=wrong).status_code == 401


@pytest.mark.parametrize(
    ("headers", "algorithm"),
    [
        (["Digest realm=r, nonce=n"], ""),
        (['DIGEST nonce = "n" ,Realm="r",ALGORITHM="md5"'], "md5"),
        (["Digest realm=r, nonce=n", "Digest realm=r, nonce=n, algorithm=SHA-256"], "SHA-256"),
        (['Digest realm="r", nonce="n", algorithm=MD5-sess, Digest realm=r, nonce=n'], "MD5-sess"),
        (['Negotiate, Basic realm="a, Digest nonce=b", Digest realm=r,nonce=n', "NTLM TlRM=="], ""),
        (['Digest realm="r", nonce="n", algorithm=SHA-512-256, Digest realm="r", nonce="n"'], ""),
        (['Digest realm="r", nonce="n", qop="auth-int", Digest realm="r", nonce="n"'], ""),
        (["Digest realm=r, nonce=n, nonce=other"], ""),
    ],
)  # fmt: skip
def test_the_strongest_challenge_that_we_speak_is_answered(headers, algorithm) -> None:
    found = digest.read(headers)
    assert (found.realm, found.nonce, found.algorithm) == ("r", "n", algorithm)


@pytest.mark.parametrize(
    "header",
    [
        "", ",", "=", "Digest", "Digest ", 'Basic realm="r"', "Digest realm=r", "Digest nonce=n",
        'Digest realm="r", nonce=""', 'Digest realm="r, nonce="n"', 'Digest realm="open',
        'Digest realm="r", nonce="n", algorithm=SHA-1', 'Digest realm=r, nonce=n, qop="auth-int"',
        'Bearer realm="r", nonce="n"',
    ],
)  # fmt: skip
def test_a_challenge_that_we_cannot_answer_is_none(header) -> None:
    assert digest.read([header]) is None


@given(st.text())
def test_any_text_is_read_without_a_fault(header) -> None:
    digest.read([header, f"Digest realm=r, {header}"])


@given(st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S", "Zs"])), st.booleans())
def test_what_a_server_says_is_read_as_it_was_written(text, stale) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    found = digest.read([f'A b, Digest realm="{quoted}", stale={stale}, nonce=n, Basic realm="x"'])
    assert (found.realm, found.stale) == (quoted, stale)


def test_a_name_that_is_no_quoted_string_is_encoded() -> None:
    assert answer(EXAMPLE, username='a"b')["username*"] == "UTF-8''a%22b"
    assert answer(EXAMPLE, username="Jäsøn Doe")["username*"] == "UTF-8''J%C3%A4s%C3%B8n%20Doe"


def test_the_name_is_hashed_where_the_server_wants_it() -> None:
    fields = answer(EXAMPLE._replace(userhash=True, algorithm="SHA-256"))
    assert fields["userhash"] == "true"
    hashed = hashlib.sha256(b"Mufasa:http-auth@example.org").hexdigest()
    assert fields["username"] == hashed


def test_the_counter_rises_and_the_clients_nonce_is_fresh_for_each_session() -> None:
    who = {"method": "GET", "uri": "/", "username": "u", "password": Secret(canary.fresh())}
    one, other = Session(EXAMPLE), Session(EXAMPLE)
    answers = [parse(each.authorization(**who)) for each in (one, one, one, other)]
    assert [each["nc"] for each in answers] == ["00000001", "00000002", "00000003", "00000001"]
    assert len({each["cnonce"] for each in answers}) == 2
    assert len({each["response"] for each in answers}) == 4
