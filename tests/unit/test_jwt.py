"""Signed JWTs: checked by primitives and a second library, and every key that does not fit."""

from __future__ import annotations

import base64
import hmac
import json
import traceback
import warnings
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa, utils
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from arcrun_auth import jwt, signing_key
from arcrun_auth.errors import AuthError
from arcrun_auth.recipe.model import Jwt
from arcrun_auth.tokens import Secret
from tests import canary

with warnings.catch_warnings():
    import authlib.deprecate  # noqa: F401 - puts a filter of its own in front

    warnings.simplefilter("ignore")  # it is called deprecated, and is still the other one
    from authlib import jose

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
OPENSSL = serialization.PrivateFormat.TraditionalOpenSSL  # PKCS#1 for RSA, SEC 1 for EC
CLEAR = serialization.NoEncryption()
NOW = 1_800_000_000.7
SHARED = canary.fresh() * 2
ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA")


@cache
def native(alg: str):
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    if alg == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def pem(key, form=PKCS8, lock=CLEAR) -> str:
    return key.private_bytes(PEM, form, lock).decode()


def public_pem(key) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(PEM, form).decode()


def jwk(alg: str, /, **members) -> str:
    kind = {"ES256": ECKey, "EdDSA": OKPKey, "HS256": OctKey}.get(alg, RSAKey)
    key = kind.import_key(SHARED if alg == "HS256" else native(alg))
    return json.dumps({**key.as_dict(private=True), **members})


def key_for(alg: str) -> tuple[Secret, str]:
    return (Secret(SHARED), "utf8") if alg == "HS256" else (Secret(pem(native(alg))), "pem")


def unpacked(part: str) -> bytes:
    assert "=" not in part  # RFC 7515 §2
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def read(token: str) -> tuple[dict, dict]:
    header, payload, _ = token.split(".")
    return json.loads(unpacked(header)), json.loads(unpacked(payload))


def verify(token: str, alg: str) -> None:
    """By RFC 7518 §3, with nothing but primitives."""
    covered, _, last = token.rpartition(".")
    message, signature = covered.encode(), unpacked(last)
    if alg == "HS256":
        assert hmac.digest(SHARED.encode(), message, "sha256") == signature
        return
    public = native(alg).public_key()
    if alg == "EdDSA":
        public.verify(signature, message)
    elif alg == "ES256":
        assert len(signature) == 64
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        der = utils.encode_dss_signature(r, s)
        public.verify(der, message, ec.ECDSA(hashes.SHA256()))
    elif alg == "RS256":
        public.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    else:
        pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt_length=32)
        public.verify(signature, message, pss, hashes.SHA256())


def sign(alg: str, key: str, encoding: str = "pem", **more) -> str:
    fields = {"header": {}, "claims": {"a": 1}} | more
    return jwt.signed(alg=alg, key=Secret(key), key_encoding=encoding, **fields)


def refusal(alg: str, key: str, encoding: str = "pem") -> AuthError:
    """The error for this key, by both ways in, and without a piece of it anywhere."""
    with pytest.raises(AuthError) as caught:
        sign(alg, key, encoding)
    with pytest.raises(AuthError) as checked:
        jwt.check_key(alg=alg, key=Secret(key), key_encoding=encoding)
    assert str(caught.value) == str(checked.value)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    shown = "".join(traceback.format_exception(error)) + repr(vars(error))
    shown += repr(vars(error.__context__) if error.__context__ else "")
    body = "".join(line for line in key.splitlines() if "-----" not in line)
    assert not [body[i : i + 8] for i in range(len(body) - 7) if body[i : i + 8] in shown]
    return error


class TestSignatures:
    @pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256"])
    def test_every_algorithm_is_verified_by_primitives(self, alg):
        key, encoding = key_for(alg)
        token = sign(alg, key.reveal(), encoding, header={"kid": "k1", "x-own": "2"})
        header, claims = read(token)
        assert header == {"alg": alg, "typ": "JWT", "kid": "k1", "x-own": "2"}
        assert claims == {"a": 1}
        verify(token, alg)

    @pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256"])
    def test_every_algorithm_is_verified_by_a_second_library(self, alg):
        key, encoding = key_for(alg)
        token = sign(alg, key.reveal(), encoding)
        public = SHARED if alg == "HS256" else public_pem(native(alg))
        assert jose.JsonWebToken([alg]).decode(token, public) == {"a": 1}
        flipped = token[:-8] + ("A" if token[-8] != "A" else "B") + token[-7:]
        with pytest.raises(jose.errors.BadSignatureError):
            jose.JsonWebToken([alg]).decode(flipped, public)

    @pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256"])
    def test_a_jwk_signs_as_its_pem_does(self, alg):
        for members in ({}, {"use": "sig"}, {"alg": alg}, {"key_ops": ["sign"]}):
            verify(sign(alg, jwk(alg, **members)), alg)

    def test_an_ed25519_jwk_may_name_the_algorithm_as_rfc_9864_does(self):
        verify(sign("EdDSA", jwk("EdDSA", alg="Ed25519")), "EdDSA")

    @pytest.mark.parametrize("alg", ["RS256", "ES256"])
    @pytest.mark.parametrize("form", [PKCS8, OPENSSL])
    def test_a_pem_is_taken_in_every_form_and_however_it_was_pasted(self, alg, form):
        text = pem(native(alg), form)
        for written in (
            text,
            text.replace("\n", "\r\n"),
            text.strip(),
            "  " + text,
            text.replace("\n", "\\n"),
            text.replace("\n", "\\r\\n"),
            public_pem(native(alg)) + text,
        ):
            verify(sign(alg, written), alg)

    def test_hex_and_base64_write_down_octets(self):
        raw = SHARED.encode()
        verify(sign("HS256", raw.hex(), "hex"), "HS256")
        verify(sign("HS256", raw.hex().upper() + "\n", "hex"), "HS256")
        for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
            verify(sign("HS256", encode(raw).decode(), "base64"), "HS256")
            verify(sign("HS256", encode(raw).decode().rstrip("=\n"), "base64"), "HS256")

    def test_a_private_key_in_base64_is_its_pem_or_its_der(self):
        key = native("RS256")
        der = key.private_bytes(serialization.Encoding.DER, PKCS8, CLEAR)
        for octets in (der, pem(key).encode()):
            verify(sign("RS256", base64.b64encode(octets).decode(), "base64"), "RS256")

    def test_the_header_cannot_choose_the_algorithm(self):
        key, encoding = key_for("HS256")
        for alg in ("none", "RS256"):
            token = sign("HS256", key.reveal(), encoding, header={"alg": alg, "typ": "at+jwt"})
            assert read(token)[0] == {"alg": "HS256", "typ": "at+jwt"}
            verify(token, "HS256")

    @pytest.mark.parametrize("name", ["crit", "jwk", "x5c"])
    def test_a_header_that_no_jwt_can_have_is_an_error(self, name):
        with pytest.raises(AuthError, match="header"):
            sign("HS256", SHARED, "utf8", header={name: "b64"})

    def test_an_algorithm_that_is_not_ours_is_a_mistake_of_the_caller(self):
        for alg in ("none", "HS512", "Ed25519", ""):
            with pytest.raises(ValueError, match="alg is one of"):
                sign(alg, SHARED, "utf8")

    def test_no_algorithm_warns(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            for alg in (*ASYMMETRIC, "HS256"):
                key, encoding = key_for(alg)
                sign(alg, key.reveal(), encoding)
        assert not seen

    @settings(deadline=None)
    @given(
        st.dictionaries(
            st.text(), st.text() | st.integers() | st.booleans() | st.lists(st.text()) | st.none()
        )
    )
    def test_claims_come_out_as_they_went_in(self, claims):
        token = sign("HS256", SHARED, "utf8", claims=claims)
        assert read(token)[1] == claims
        verify(token, "HS256")

    def test_a_key_that_was_checked_is_not_checked_again(self, monkeypatch):
        seen = []
        real = serialization.load_pem_private_key

        def watched(*given, **more):
            seen.append(more["unsafe_skip_rsa_key_validation"])
            return real(*given, **more)

        # Not a mock of ours: the one way to see whether the library was told to check.
        monkeypatch.setattr(serialization, "load_pem_private_key", watched)
        text = pem(native("RS256"))
        signing_key.forget()
        jwt.check_key(alg="RS256", key=Secret(text))
        verify(sign("RS256", text), "RS256")
        verify(sign("RS256", text, checked=True), "RS256")
        assert seen == [False, True]
        signing_key.forget()
        verify(sign("RS256", text), "RS256")
        assert seen == [False, True, False]


class TestVectors:
    """The keys of the RFCs, read by us, give the signatures that stand there."""

    def test_rfc_7515_a_1(self):
        key = {
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1"
            "Z9CAow",
        }
        message = (
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
            ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
            "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        )
        expected = unpacked("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
        octets = unpacked(key["k"])
        for text, encoding in (
            (json.dumps(key), "pem"),
            (octets.hex(), "hex"),
            (key["k"], "base64"),
        ):
            found = signing_key.read_key("HS256", Secret(text), encoding)
            assert hmac.digest(found.raw_value, message.encode(), "sha256") == expected
            token = sign("HS256", text, encoding)
            assert jose.JsonWebToken(["HS256"]).decode(token, octets) == {"a": 1}

    def test_rfc_8037_a_4(self):
        key = {
            "kty": "OKP",
            "crv": "Ed25519",
            "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        }
        message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
        expected = (
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        )
        found = signing_key.read_key("EdDSA", Secret(json.dumps(key)))
        assert found.private_key.sign(message) == unpacked(expected)


class TestKeysThatDoNotFit:
    @pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256"])
    @pytest.mark.parametrize("other", [*ASYMMETRIC, "HS256"])
    def test_a_key_of_another_kind_is_named(self, alg, other):
        if {alg, other} <= {"RS256", "PS256"} or alg == other:
            return
        for text in {jwk(other), jwk(other) if other == "HS256" else pem(native(other))}:
            error = refusal(alg, text)
            assert f"{alg} wants {signing_key._WANTS[alg]}, and it is " in str(error)

    def test_another_curve_is_named(self):
        for curve in (ec.SECP384R1(), ec.SECP256K1()):
            key = ec.generate_private_key(curve)
            assert f"the curve {curve.name}" in str(refusal("ES256", pem(key)))
        error = refusal("EdDSA", pem(ed448.Ed448PrivateKey.generate()))
        assert "a key of another kind" in str(error)

    def test_an_rsa_key_of_less_than_2048_bits_is_too_short(self):
        weak = rsa.generate_private_key(65537, 1024)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library's, when the test makes the key
            as_jwk = json.dumps(RSAKey.import_key(weak).as_dict(private=True))
        for text in (pem(weak), as_jwk):
            for alg in ("RS256", "PS256"):
                assert "1024 bits is too short" in str(refusal(alg, text))

    @pytest.mark.parametrize("form", [PKCS8, OPENSSL])
    def test_a_locked_pem_says_how_it_is_unlocked(self, form):
        lock = serialization.BestAvailableEncryption(b"word")
        error = refusal("ES256", pem(native("ES256"), form, lock))
        assert "locked with a passphrase" in str(error)
        assert error.hint.startswith("openssl pkey ")

    def test_an_openssh_key_says_how_it_is_turned(self):
        text = pem(native("EdDSA"), serialization.PrivateFormat.OpenSSH)
        error = refusal("EdDSA", text)
        assert error.hint.startswith("ssh-keygen -p -m PKCS8")

    @pytest.mark.parametrize("alg", ASYMMETRIC)
    def test_a_public_key_is_called_one(self, alg):
        error = refusal(alg, public_pem(native(alg)))
        assert "a public key, no private key" in str(error)
        members = json.loads(jwk(alg))
        public = {name: members[name] for name in ("kty", "crv", "n", "e", "x", "y")
                  if name in members}  # fmt: skip
        assert "a public key, no private key" in str(refusal(alg, json.dumps(public)))

    def test_a_certificate_or_another_pem_is_called_so(self):
        key = native("ES256")
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
        request = x509.CertificateSigningRequestBuilder().subject_name(name)
        text = request.sign(key, hashes.SHA256()).public_bytes(PEM).decode()
        assert "It is another PEM, no private key" in str(refusal("ES256", text))
        as_certificate = text.replace("CERTIFICATE REQUEST", "CERTIFICATE")
        assert "It is a certificate, no private key" in str(refusal("ES256", as_certificate))

    @pytest.mark.parametrize("alg", ASYMMETRIC)
    def test_a_pem_that_is_cut_off_or_changed_is_damaged(self, alg):
        text = pem(native(alg))
        lines = text.splitlines()
        short = "\n".join([lines[0], lines[1][:-4], *lines[2:]])
        for broken in (text[: len(text) // 2], "\n".join([*lines[:2], lines[-1]][::2]), short):
            assert "damaged or cut off" in str(refusal(alg, broken))

    def test_an_rsa_key_whose_numbers_do_not_belong_together_is_damaged(self):
        numbers = native("RS256").private_numbers()
        other = rsa.RSAPrivateNumbers(
            numbers.p, numbers.q, numbers.d + 2, numbers.dmp1, numbers.dmq1, numbers.iqmp,
            numbers.public_numbers,
        )  # fmt: skip
        text = pem(other.private_key(unsafe_skip_rsa_key_validation=True))
        assert "damaged" in str(refusal("RS256", text))

    @pytest.mark.parametrize("text", ["", "x", "{", "{}", '{"a": 1}', "[" * 9, "\0", "\ud800"])
    @pytest.mark.parametrize("alg", ASYMMETRIC)
    def test_what_is_no_key_at_all_is_called_so(self, alg, text):
        assert "neither a PEM nor a JWK" in str(refusal(alg, text))

    @pytest.mark.parametrize(
        "members",
        [
            {"kty": "RSA"},
            {"kty": "RSA", "n": 5, "e": "AQAB"},
            {"kty": "RSA", "n": "A" * 400, "e": "AQAB", "d": "AAAA"},
            {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "d": "AA"},
            {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "d": "AA"},
            {"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"},
            {"kty": "oct", "k": None},
            {"kty": "oct", "k": "é" * 30},
            {"kty": ["RSA"]},
            {"kty": "none"},
        ],
    )
    def test_a_jwk_that_is_none_is_called_so(self, members):
        alg = {"EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}.get(str(members["kty"]), "RS256")
        refused = str(refusal(alg, json.dumps(members)))
        assert "no valid JWK" in refused or "too short" in refused

    @pytest.mark.parametrize("members", [{"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["verify"]}])
    def test_a_jwk_that_is_for_something_else_does_not_sign(self, members):
        assert "not for signing with RS256" in str(refusal("RS256", jwk("RS256", **members)))

    @pytest.mark.parametrize(
        ("text", "encoding", "says"),
        [
            (SHARED, "pem", "its `key_encoding` is"),
            (SHARED, "hex", "not written in hex"),
            (SHARED + "!", "base64", "not written in base64"),
            (SHARED[:13], "utf8", "13 bytes is too short"),
            ("", "utf8", "0 bytes is too short"),
            (json.dumps({"kty": "oct", "k": "c2hvcnQ"}), "pem", "5 bytes is too short"),
        ],
        ids=range(6),
    )
    def test_a_shared_secret_that_is_none_says_why(self, text, encoding, says):
        assert says in str(refusal("HS256", text, encoding))

    def test_a_key_pair_is_no_shared_secret(self):
        key = native("RS256")
        for text in (public_pem(key), pem(key)):
            assert "and it is a PEM" in str(refusal("HS256", text, "utf8"))
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        der = key.public_key().public_bytes(serialization.Encoding.DER, form)
        text = base64.b64encode(der).decode()
        assert "which anybody may know" in str(refusal("HS256", text, "base64"))

    @settings(deadline=None)
    @given(st.text(), st.sampled_from([*ASYMMETRIC, "HS256"]), st.sampled_from(["pem", "hex"]))
    def test_any_text_as_a_key_is_one_of_our_errors(self, text, alg, encoding):
        with pytest.raises(AuthError):
            sign(alg, f"no hex: {text}", encoding)


class TestClientAssertion:
    def make(self, alg="ES256", **more):
        key, encoding = key_for(alg)
        fields = {"client_id": "cid", "audience": "https://id.example.com/token", "now": NOW}
        return jwt.client_assertion(
            **(fields | {"alg": alg, "key": key, "key_encoding": encoding} | more)
        )

    @pytest.mark.parametrize("alg", [*ASYMMETRIC, "HS256"])
    def test_it_says_what_rfc_7523_section_3_wants(self, alg):
        token = self.make(alg, key_id="k1")
        header, claims = read(token)
        assert header == {"alg": alg, "typ": "JWT", "kid": "k1"}
        assert len(base64.urlsafe_b64decode(claims.pop("jti") + "==")) == 16
        assert claims == {
            "iss": "cid",
            "sub": "cid",
            "aud": "https://id.example.com/token",
            "iat": 1_800_000_000,
            "exp": 1_800_000_000 + jwt.LIFETIME,
        }
        verify(token, alg)

    def test_no_two_have_the_same_id(self):
        seen = {read(self.make("HS256"))[1]["jti"] for _ in range(500)}
        assert len(seen) == 500

    def test_it_holds_for_one_to_five_minutes(self):
        for lifetime in (60, 300):
            claims = read(self.make(lifetime=lifetime))[1]
            assert claims["exp"] - claims["iat"] == lifetime
        for lifetime in (0, 59, 301):
            with pytest.raises(ValueError, match="60 to 300"):
                self.make(lifetime=lifetime)

    def test_the_key_names_itself_unless_the_app_does(self):
        assert "kid" not in read(self.make())[0]
        named = Secret(jwk("ES256", kid="own"))
        assert read(self.make(key=named))[0]["kid"] == "own"
        assert read(self.make(key=named, key_id="given"))[0]["kid"] == "given"
        assert "kid" not in read(self.make(key=Secret(jwk("ES256", kid=""))))[0]

    def test_a_kid_that_is_no_text_makes_the_jwk_invalid(self):
        with pytest.raises(AuthError, match="no valid JWK"):
            self.make(key=Secret(jwk("ES256", kid=5)))


class TestBearerAssertion:
    def make(self, given=None, *, key=None, **fields):
        block = Jwt(**({"key": "k", "alg": "ES256"} | fields))
        values = given or {}

        def render(text: str) -> str:
            return values.get(text, text)

        token = jwt.bearer_assertion(
            block,
            key=key or Secret(pem(native("ES256"))),
            audience="https://id.example.com/token",
            now=NOW,
            render=render,
        )
        verify(token, "ES256")
        return read(token)

    def test_what_a_recipe_leaves_out_is_added(self):
        header, claims = self.make()
        assert header == {"alg": "ES256", "typ": "JWT"}
        assert len(claims.pop("jti")) >= 22
        assert claims == {
            "aud": "https://id.example.com/token",
            "iat": 1_800_000_000,
            "exp": 1_800_000_300,
        }

    def test_header_and_claims_are_rendered(self):
        header, claims = self.make(
            {"{{secret.id}}": "key 1", "{{secret.mail}}": "a@b.example"},
            header={"kid": "{{secret.id}}"},
            claims={"iss": "{{secret.mail}}", "scope": "a b"},
            subject="{{secret.mail}}",
        )
        assert header["kid"] == "key 1"
        assert (claims["iss"], claims["sub"], claims["scope"]) == (
            "a@b.example", "a@b.example", "a b",
        )  # fmt: skip

    def test_what_renders_empty_is_no_subject_and_no_header(self):
        header, claims = self.make(
            {"{{param.user}}": ""}, subject="{{param.user}}", header={"kid": "{{param.user}}"}
        )
        assert "sub" not in claims
        assert "kid" not in header

    def test_claims_of_the_recipe_win_but_for_the_times(self):
        mine = {"aud": "https://other.example.com", "jti": "mine", "sub": "me"}
        _, claims = self.make(
            claims={**mine, "iat": "1", "exp": "99999999999"}, subject="you", ttl_s=60
        )
        assert {name: claims[name] for name in mine} == mine
        assert (claims["iat"], claims["exp"]) == (1_800_000_000, 1_800_000_060)

    def test_only_a_time_becomes_a_number(self):
        _, claims = self.make(claims={"iss": "12345", "nbf": "1799999999"})
        assert (claims["iss"], claims["nbf"]) == ("12345", 1_799_999_999)
        assert self.make(claims={"nbf": "soon"})[1]["nbf"] == "soon"

    def test_a_jwk_names_itself_unless_the_recipe_does(self):
        key = Secret(jwk("ES256", kid="own"))
        assert self.make(key=key)[0]["kid"] == "own"
        assert self.make(key=key, header={"kid": "given"})[0]["kid"] == "given"
