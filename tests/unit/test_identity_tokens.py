"""Which identity tokens are believed: one that is right, and a corpus of those that are not."""

from __future__ import annotations

import base64
import hmac
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from arcrun_auth.server.claims import ALGORITHMS, BadToken, subject_fits, verified

ISSUER, CLIENT, NONCE = "https://id.example.com", "the-server", "n-0S6_WzA2Mj"
NOW = time.time()
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
OTHER = RSAKey.generate_key(2048, {"kid": "rsa"})
KEYS = {"keys": [RSA.as_dict(private=False), EC.as_dict(private=False)]}
GOOD = {
    "iss": ISSUER, "aud": CLIENT, "sub": "ada", "iat": int(NOW), "exp": int(NOW) + 300,
    "nonce": NONCE,
}  # fmt: skip


def signed(header=None, key=RSA, alg="RS256", **claims):
    body = {name: value for name, value in {**GOOD, **claims}.items() if value is not ...}
    header = {"alg": alg, "kid": "rsa", **(header or {})}
    return jwt.encode(
        {n: v for n, v in header.items() if v is not ...}, body, key, algorithms=[alg]
    )


def part(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def by_hand(header, claims=GOOD, sign=lambda _: b""):
    head = f"{part(json.dumps(header).encode())}.{part(json.dumps(claims).encode())}"
    return f"{head}.{part(sign(head.encode()))}"


def read(token, keys=KEYS, **changed):
    known = {"issuer": ISSUER, "audience": CLIENT, "now": NOW, "nonce": NONCE, **changed}
    return verified(token, keys, **known)


def test_a_token_that_is_right_is_believed():
    assert read(signed())["sub"] == "ada"
    assert read(signed(key=EC, alg="ES256", header={"kid": "ec"}))["sub"] == "ada"
    assert read(signed(aud=[CLIENT], azp=CLIENT))["sub"] == "ada"
    assert read(signed(header={"kid": ...}))["sub"] == "ada"  # there is one key of its kind
    assert read(signed(nonce=...), nonce=None)["sub"] == "ada"
    assert read(signed(iat=int(NOW) + 30))["sub"] == "ada"  # a clock that is a little ahead


PUBLIC_PEM = RSA.as_pem(private=False)


def by_hmac(key):
    return by_hand(
        {"alg": "HS256", "kid": "rsa"}, sign=lambda text: hmac.digest(key, text, "sha256")
    )


MODULUS = base64.urlsafe_b64decode(RSA.as_dict(private=False)["n"] + "==")
SHARED = {"kty": "oct", "k": part(b"k" * 32), "kid": "rsa"}

BAD = {
    # the signature
    "none": by_hand({"alg": "none"}),
    "None": by_hand({"alg": "None", "kid": "rsa"}),
    "nOnE with a signature": by_hand({"alg": "nOnE"}, sign=lambda _: b"x"),
    "no algorithm": by_hand({"kid": "rsa"}),
    "an algorithm that is none": by_hand({"alg": ["RS256"], "kid": "rsa"}),
    "an unknown algorithm": by_hand({"alg": "RS999", "kid": "rsa"}, sign=lambda _: b"x"),
    "an algorithm of a key agreement": by_hand({"alg": "ECDH-ES", "kid": "ec"}),
    "a signature that is empty": by_hand({"alg": "RS256", "kid": "rsa"}),
    "a signature of another key": signed(key=OTHER),
    "a signature cut off": signed()[:-4],
    "a signature of another token": ".".join(
        (*signed(sub="eve").split(".")[:2], signed().split(".")[2])
    ),
    "the public key as a shared secret": by_hmac(PUBLIC_PEM),
    "its modulus as a shared secret": by_hmac(MODULUS),
    "an empty shared secret": by_hmac(b""),
    "RSA by a key for EC": by_hand({"alg": "ES256", "kid": "rsa"}, sign=lambda _: b"x" * 64),
    "EC by a signature of zeros": by_hand({"alg": "ES256", "kid": "ec"}, sign=lambda _: bytes(64)),
    "PS256 by an RS256 signature": by_hand(
        {"alg": "PS256", "kid": "rsa"}, sign=lambda _: b"x" * 256
    ),
    "a key of its own in the header": signed(
        key=OTHER, header={"jwk": OTHER.as_dict(private=False), "kid": ...}
    ),
    "a key from an address in the header": signed(
        key=OTHER, header={"jku": "https://evil.example/keys"}
    ),
    "an unknown kid": signed(header={"kid": "other"}),
    "a kid that is no text": by_hand({"alg": "RS256", "kid": 7}),
    "an extension to understand": by_hand(
        {"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": False}
    ),
    "an extension nobody knows": by_hand({"alg": "RS256", "kid": "rsa", "crit": ["x"], "x": 1}),
    # the shape
    "nothing": "",
    "two parts": ".".join(signed().split(".")[:2]),
    "four parts": signed() + ".x",
    "five parts, encrypted": "a.b.c.d.e",
    "no base64": "!.!.!",
    "no JSON": f"{part(b'{')}.{part(b'{')}.{part(b'x')}",
    "a list": by_hand({"alg": "RS256", "kid": "rsa"}, claims=[1]),
    "not ASCII": signed() + "é",
    "longer than any": signed(sub="x" * 20000),
    "a header that is a list": f"{part(b'[]')}.{part(b'{}')}.{part(b'x')}",
    # whose it is
    "another issuer": signed(iss="https://evil.example"),
    "an issuer with a slash more": signed(iss=ISSUER + "/"),
    "no issuer": signed(iss=...),
    "another audience": signed(aud="other"),
    "our audience among others": signed(aud=[CLIENT, "other"], azp=CLIENT),
    "no audience": signed(aud=...),
    "an empty list of audiences": signed(aud=[]),
    "given to somebody else": signed(azp="other"),
    "no subject": signed(sub=...),
    "an empty subject": signed(sub=""),
    "a subject that is no text": by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, "sub": 7}),
    "a subject longer than any": signed(sub="x" * 256),
    # when
    "over": signed(exp=int(NOW) - 1),
    "over just now": signed(exp=int(NOW)),
    "without an end": signed(exp=...),
    "to end after all numbers": signed(exp=10**400),
    "with an end that is a text": by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, "exp": "never"}),
    "without a beginning": signed(iat=...),
    "made in an hour": signed(iat=int(NOW) + 3600),
    "to hold in an hour": signed(nbf=int(NOW) + 3600),
    # which login
    "without the nonce": signed(nonce=...),
    "with another nonce": signed(nonce="another"),
    "with a nonce that is no text": signed(nonce=None),
}


@pytest.mark.parametrize("name", BAD)
def test_a_token_that_is_not_right_is_not_believed(name):
    with pytest.raises(BadToken) as caught:
        read(BAD[name])
    for shown in ("ada", "eve", CLIENT, NONCE, ISSUER):
        assert shown not in caught.value.message


def test_what_is_wrong_is_judged_behind_a_signature_that_fits():
    # Signed rightly, so that it is the claim that is refused and not the signature.
    for claims in ({"sub": 7}, {"exp": "never"}, {"exp": True}, {"exp": float("1e999")}):
        token = by_hand({"alg": "RS256", "kid": "rsa"}, {**GOOD, **claims}, sign=_rsa)
        with pytest.raises(BadToken):
            read(token)
    assert read(by_hand({"alg": "RS256", "kid": "rsa"}, GOOD, sign=_rsa))["sub"] == "ada"


def _rsa(text):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    return RSA.private_key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def test_keys_that_are_not_for_it_are_not_taken():
    public = RSA.as_dict(private=False)
    for keys in (
        {}, {"keys": None}, {"keys": []}, {"keys": ["x"]}, {"keys": [{"kty": "RSA", "kid": "rsa"}]},
        {"keys": [{**public, "use": "enc"}]}, {"keys": [{**public, "alg": "PS256"}]},
        {"keys": [{**public, "kid": "other"}]},
        {"keys": [public, public]},  # two of one name: nobody guesses
        {"keys": [SHARED]},
    ):  # fmt: skip
        with pytest.raises(BadToken):
            read(signed(), keys)


def test_a_key_that_is_not_known_yet_is_told_apart_from_a_lie():
    with pytest.raises(BadToken) as unknown:
        read(signed(header={"kid": "new"}))
    with pytest.raises(BadToken) as lie:
        read(signed(key=OTHER))
    assert unknown.value.unknown_key
    assert not lie.value.unknown_key


def test_no_algorithm_is_taken_that_needs_no_key_pair():
    assert not {name for name in ALGORITHMS if name.startswith("HS") or name.lower() == "none"}


@given(st.text(max_size=200))
def test_no_text_gets_through_or_breaks_it(text):
    with pytest.raises(BadToken):
        read(text)


def test_a_pattern_of_a_subject_means_what_stands_in_it():
    pattern = "repo:ada/site:ref:refs/heads/*"
    assert subject_fits(pattern, "repo:ada/site:ref:refs/heads/main")
    assert subject_fits(pattern, "repo:ada/site:ref:refs/heads/feature/x")
    for other in (
        "repo:ada/site:pull_request", "repo:ada/site2:ref:refs/heads/main",
        "repo:eve/site:ref:refs/heads/main", "xrepo:ada/site:ref:refs/heads/main",
        "repo:ada/site:ref:refs/heads/a:environment:prod", "repo:ada/site:ref:refs/headsXmain",
    ):  # fmt: skip
        assert not subject_fits(pattern, other)
    assert subject_fits("a.b", "a.b")
    assert not subject_fits("a.b", "aXb")
