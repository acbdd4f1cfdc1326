"""OAuth 1.0 signatures: the RFC's example, oauthlib's vectors, and two libraries beside us."""

from __future__ import annotations

import logging
import re
from urllib.parse import quote, unquote, urlencode

import pytest
from authlib.oauth1.rfc5849 import signature as theirs
from hypothesis import example, given
from hypothesis import strategies as st
from oauthlib import oauth1 as oauthlib

from arcrun_auth import oauth1
from arcrun_auth.oauth1 import Keys
from arcrun_auth.tokens import Secret
from tests import canary

# RFC 5849 §3.4.1: the request of the example, and its base string.
EXAMPLE = {
    "method": "POST",
    "url": "http://EXAMPLE.com:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b",
    "form": b"c2&a3=2+q",
    "protocol": {
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
    },
}
BASE_STRING = (
    "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D"
    "%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a"
    "%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh"
    "3k39sjv7"
)
VECTOR = Keys(
    Secret(""),
    Secret("ECrDNoq1VYzzzzzzzzzyAK7TwZNtPnkqatqZZZZ"),
    Secret(""),
    Secret("just-a-string    asdasd"),
)
NONCE, TIMESTAMP = "kllo9940pd9333jh", 1191242096

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
# What begins with `oauth_` belongs to the protocol, and oauthlib decodes its value twice.
pairs = st.lists(st.tuples(text.filter(lambda name: not name.startswith("oauth_")), text))


def parts(header: str) -> dict[str, str]:
    scheme, _, rest = header.partition(" ")
    assert scheme == "OAuth"
    return {name: unquote(value) for name, value in re.findall(r'(\w+)="([^"]*)"', rest)}


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("oauthlib").setLevel(logging.WARNING)  # it logs all that it signs


def sign(**more) -> str:
    known = {
        "method": "GET",
        "url": "https://api.example.com/1",
        "keys": Keys(*(Secret(canary.fresh()) for _ in range(4))),
        "nonce": NONCE,
        "timestamp": TIMESTAMP,
    }
    return oauth1.authorization(**known | more)


def test_the_base_string_is_the_one_in_the_rfc() -> None:
    assert oauth1.base_string(**EXAMPLE) == BASE_STRING


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        ("HMAC-SHA1", "wsdNmjGB7lvis0UJuPAmjvX/PXw="),
        ("HMAC-SHA256", "wdfdHUKXHbOnOGZP8WFAWMSAmWzN3EVBWWgXGlC/Eo4="),
    ],
)
def test_the_signature_is_the_one_of_oauthlibs_vector(method, signature) -> None:
    assert oauth1.signature(BASE_STRING, VECTOR, method) == signature


def test_the_first_request_ever_signed_in_public_is_signed_alike() -> None:
    # The example of OAuth Core 1.0, appendix A.5.
    header = sign(
        url="http://photos.example.net/photos?file=vacation.jpg&size=original",
        keys=Keys(
            *map(Secret, ("dpf43f3p2l4k3l03", "kd94hf93k423kf44", "nnch734d00sl2jdk")),
            Secret("pfkkdhi9sl3r4s00"),
        ),
    )
    assert parts(header)["oauth_signature"] == "tR3+Ty81lMeYAr/Fid0kMTYa/WM="


urls = st.builds(
    lambda path, query: f"https://api.example.com/{quote(path)}?{urlencode(query)}".rstrip("?"),
    st.text(st.characters(codec="utf-8", exclude_characters=";"), max_size=12),
    pairs,
)


@given(
    method=st.sampled_from(["PATCH", "post", "PUT", "DELETE"]),
    url=urls,
    form=pairs,
    secrets=st.tuples(text.filter(bool), text, text, text),
    hashing=st.sampled_from(sorted(oauth1.HASHES)),
)
def test_whatever_is_signed_oauthlib_signs_it_alike(method, url, form, secrets, hashing) -> None:
    header = sign(
        method=method,
        url=url,
        form=urlencode(form).encode(),
        keys=Keys(*map(Secret, secrets)),
        signature_method=hashing,
    )
    key, secret, token, token_secret = secrets
    peer = oauthlib.Client(
        key, secret, token, token_secret,
        signature_method=hashing, nonce=NONCE, timestamp=str(TIMESTAMP),
    )  # fmt: skip
    # Its body is None where there is none: an empty one has to be a form all the same.
    kind = {"Content-Type": oauth1.FORM} if form else None
    _, signed, _ = peer.sign(url, method.upper(), urlencode(form) or None, kind)
    assert parts(header) == parts(signed["Authorization"])


@given(query=pairs, secrets=st.tuples(text, text))
@example(query=[("a", "~*' +%")], secrets=("+%", "&="))
def test_whatever_is_signed_with_sha_1_authlib_signs_it_alike(query, secrets) -> None:
    query = [pair for pair in query if pair[0] != "realm"]  # which it leaves out everywhere
    url = "https://api.example.com/1?" + urlencode(query)
    key = Secret("key")
    header = parts(sign(url=url, keys=Keys(key, Secret(secrets[0]), key, Secret(secrets[1]))))
    given_signature = header.pop("oauth_signature")
    base = theirs.construct_base_string("GET", url, [*query, *header.items()])
    assert theirs.hmac_sha1_signature(base, *secrets) == given_signature


@pytest.mark.parametrize(
    ("query", "signed"),
    [
        ("realm=x", "realm%3Dx"),  # only the header's own is left out
        ("oauth_x=%2541", "oauth_x%3D%252541"),  # decoded once
        ("a=1&oauth_signature=s", "a%3D1"),
        ("a=%FF", "a%3D%25FF"),  # need not be UTF-8
        ("a&&=b", "%3Db%26a%3D"),
        ("a=1#a=2", "a%3D1"),
    ],
)
def test_what_stands_in_the_query_is_signed_as_the_rfc_wants_it(query, signed) -> None:
    base = oauth1.base_string("GET", f"https://api.example.com/1?{query}", b"", {})
    assert base == f"GET&https%3A%2F%2Fapi.example.com%2F1&{signed}"


def test_a_client_that_speaks_for_itself_sends_no_token() -> None:
    header = parts(sign(keys=Keys(Secret("key"), Secret(canary.fresh()))))
    assert "oauth_token" not in header
    assert header["oauth_version"] == "1.0"


def test_the_realm_is_said_and_not_signed() -> None:
    keys = Keys(Secret("key"), Secret(canary.fresh()))
    plain, with_realm = sign(keys=keys), sign(keys=keys, realm='a "b" \\')
    assert with_realm == plain.replace("OAuth ", r'OAuth realm="a \"b\" \\", ')


@pytest.mark.parametrize("realm", ["a\r\nX: y", "\0", "é"])
def test_a_realm_that_is_no_headers_is_refused(realm) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        sign(realm=realm)


def test_only_signature_methods_that_exist_are_used() -> None:
    with pytest.raises(ValueError, match="HMAC-SHA1 or HMAC-SHA256, not 'PLAINTEXT'"):
        sign(signature_method="PLAINTEXT")


def test_keys_do_not_show() -> None:
    keys = Keys(*(Secret(canary.fresh()) for _ in range(4)))
    assert not canary.hits(f"{keys} {keys!r}")


def test_no_two_requests_have_the_same_nonce() -> None:
    assert len({oauth1.fresh_nonce() for _ in range(1000)}) == 1000
