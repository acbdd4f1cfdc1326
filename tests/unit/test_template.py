"""Templates: the platform's recorded behaviour as a table, our own grammar, and properties."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth.errors import AuthError
from arcrun_auth.template import (
    FILTERS,
    MAX_BYTES,
    MAX_PLACEHOLDERS,
    NAMESPACES,
    Template,
    render_header,
)

KEY = ed25519.Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(
    serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
).decode()
# RFC 8410 §4: this head, then the 32 bytes.
DER = bytes.fromhex("302a300506032b6570032100") + KEY.public_key().public_bytes_raw()
FINGERPRINT = base64.b64encode(hashlib.sha256(DER).digest()).decode()

SECRETS = {"secret": {"k": "v", "a.b": "dot", "a-b": "dash", "K": "upper"}, "runtime": {"r": "R"}}

# What the platform's own executor did, text by text.
RECORDED = [
    ("Bearer {{secret.k}}", "Bearer v"),
    ("{{secret.k}}{{secret.k}}", "vv"),
    ("{{runtime.r}}", "R"),
    ("{{secret.a.b}} {{secret.a-b}}", "dot dash"),
    ("{{secret.K}}", "upper"),
    ("{{secret.unknown}}", ""),
    ("{{runtime.unknown}}", ""),
    ("{{ secret.k }}", "{{ secret.k }}"),
    ("{{secret.k }}", "{{secret.k }}"),
    ("{{a}}", "{{a}}"),
    ("{{secret}}", "{{secret}}"),
    ("{{secret.}}", "{{secret.}}"),
    ("{x}", "{x}"),
    ("{{secret.k", "{{secret.k"),
    ("secret.k}}", "secret.k}}"),
    ("{{{secret.k}}}", "{v}"),
    ("{{Secret.k}}", "{{Secret.k}}"),
    ("{{other.k}}", "{{other.k}}"),
    ("{{secret.k|unknown}}", "{{secret.k|unknown}}"),
    ("{{secret.k\n}}", "{{secret.k\n}}"),
    ("{{secret.ключ}}", "{{secret.ключ}}"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "rendered"), RECORDED)
def test_a_platform_recipe_renders_as_on_the_platform(text, rendered):
    assert Template.parse(text, strict=False).render(SECRETS) == rendered


@pytest.mark.parametrize("text", ["{{other.k}}", "{{Secret.k}}", "{{step5.k}}", "{{callback.k}}"])
def test_strict_refuses_a_namespace_it_does_not_know(text):
    with pytest.raises(ValueError, match="no namespace"):
        Template.parse(text, strict=True)


@pytest.mark.parametrize(
    "text", ["{{secret.k|nope}}", "{{secret.k|BASE64}}", "{{secret.k|base64(x)}}"]
)
def test_strict_refuses_a_filter_it_does_not_know(text):
    with pytest.raises(ValueError, match="no filter"):
        Template.parse(text, strict=True)


@pytest.mark.parametrize("text", ["{{a}}", "{x}", "{{secret.k", "{{ secret.k }}", "{{now.x|}}"])
def test_braces_that_are_no_placeholder_stay_in_strict_too(text):
    template = Template.parse(text, strict=True)
    assert template.placeholders == ()
    assert template.render({}) == text


def test_placeholders_are_listed_in_order_with_their_filters():
    template = Template.parse("{{secret.a}} {{param.b|lower}} {{now|iso}} {{uuid}}", strict=True)
    assert template.placeholders == (
        ("secret", "a", None), ("param", "b", "lower"), ("now", "", "iso"), ("uuid", "", None),
    )  # fmt: skip
    assert template.literal.replace("\0", "") == "   "


@pytest.mark.parametrize(
    ("filter_", "value", "expected"),
    [
        ("base64", "a:ü", base64.b64encode("a:ü".encode()).decode()),
        ("base64url", "??>>", "Pz8-Pg"),
        ("urlencode", "a b/ü~", "a%20b%2F%C3%BC~"),
        ("hex", "az", "617a"),
        ("sha256", "x", hashlib.sha256(b"x").hexdigest()),
        ("iso", "0", "1970-01-01T00:00:00Z"),
        ("epoch", "1970-01-02T00:00:00Z", "86400"),
        ("epoch", "1970-01-02T00:00:00", "86400"),
        ("epoch", "86400.7", "86400"),
        ("lower", "ABC", "abc"),
        ("upper", "aBc", "ABC"),
        pytest.param("fingerprint", PEM, FINGERPRINT, id="fingerprint"),  # a key of this run
    ],
)
def test_each_filter(filter_, value, expected):
    template = Template.parse("{{param.x|" + filter_ + "}}", strict=True)
    assert template.render({"param": {"x": value}}) == expected


def test_a_key_that_has_no_public_half_is_refused_without_being_shown():
    template = Template.parse("{{secret.x|fingerprint}}", strict=True)
    shared = json.dumps({"kty": "oct", "k": base64.urlsafe_b64encode(b"CANARY" * 4).decode()})
    for value in ("CANARY", shared):
        with pytest.raises(AuthError, match="cannot sign") as caught:
            template.render({"secret": {"x": value}})
        assert "CANARY" not in str(caught.value)


def test_what_a_call_saved_is_no_placeholder_on_the_platform():
    template = Template.parse("{{step1.x}}", strict=False)
    assert template.render({"step1": {"x": "y"}}) == "{{step1.x}}"
    assert Template.parse("{{step1.x}}", strict=True).render({"step1": {"x": "y"}}) == "y"


def test_every_filter_is_in_the_table_above():
    assert set(FILTERS) == {
        "base64", "base64url", "urlencode", "hex", "sha256", "iso", "epoch", "lower", "upper",
        "fingerprint",
    }  # fmt: skip


@pytest.mark.parametrize("filter_", ["iso", "epoch"])
@pytest.mark.parametrize("value", ["CANARY", "", "1e400", "nan"])
def test_a_time_that_is_none_is_refused_without_being_shown(filter_, value):
    template = Template.parse("{{secret.x|" + filter_ + "}}", strict=True)
    with pytest.raises(ValueError, match=f"the filter {filter_}") as caught:
        template.render({"secret": {"x": value}})
    assert "CANARY" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_hmac_signs_with_the_secret_it_names():
    template = Template.parse("{{now|hmac_sha256(api_secret)}}", strict=True)
    assert template.placeholders == (("now", "", "hmac_sha256"), ("secret", "api_secret", None))
    rendered = template.render({"now": {"": "1700000000"}, "secret": {"api_secret": "key"}})
    assert rendered == hmac.new(b"key", b"1700000000", "sha256").hexdigest()


def test_hmac_without_a_key_is_refused():
    with pytest.raises(ValueError, match="wants a key"):
        Template.parse("{{now|hmac_sha256}}", strict=True)


def test_now_and_uuid_are_made_where_none_is_given():
    first, second = (Template.parse("{{uuid}} {{now}}", strict=True).render({}) for _ in "ab")
    assert first.split()[0] != second.split()[0]
    assert int(first.split()[1]) > 1_700_000_000


def test_a_hole_that_is_no_secret_is_refused():
    with pytest.raises(ValueError, match=r"no value for param\.shop"):
        Template.parse("https://{{param.shop}}.example.com", strict=True).render({"secret": {}})


def test_at_most_twenty_placeholders():
    Template.parse("{{secret.x}}" * MAX_PLACEHOLDERS, strict=True)
    for strict in (True, False):
        with pytest.raises(ValueError, match="at most 20"):
            Template.parse("{{secret.x}}" * (MAX_PLACEHOLDERS + 1), strict=strict)


@pytest.mark.parametrize("char", ["a", "ü", "\U0001f511"])
def test_at_most_8_kb_of_utf_8(char):
    size = len(char.encode())
    Template.parse(char * (MAX_BYTES // size), strict=True)
    with pytest.raises(ValueError, match="at most 8192 bytes"):
        Template.parse(char * (MAX_BYTES // size + 1), strict=True)


def test_equal_texts_are_equal_templates_and_show_no_value():
    one, two = (Template.parse("Bearer {{secret.k}}", strict=True) for _ in "ab")
    assert one == two
    assert hash(one) == hash(two)
    assert one != Template.parse("x", strict=True)
    one.render({"secret": {"k": "CANARY"}})
    assert repr(one) == "Template('Bearer {{secret.k}}')"


# -- headers ---------------------------------------------------------------------------

BASIC = [
    ("Authorization", "Basic u:p", "Basic " + base64.b64encode(b"u:p").decode()),
    ("authorization", "Basic u:p", "Basic " + base64.b64encode(b"u:p").decode()),
    ("AUTHORIZATION", "Basic ü:p:q", "Basic " + base64.b64encode("ü:p:q".encode()).decode()),
    ("Authorization", "Basic :", "Basic Og=="),
    ("Authorization", "Basic  u:p", "Basic " + base64.b64encode(b" u:p").decode()),
    ("Authorization", "Basic dTpw", "Basic dTpw"),
    ("Authorization", "basic u:p", "basic u:p"),
    ("Authorization", "BASIC u:p", "BASIC u:p"),
    ("Authorization", "Basic\tu:p", "Basic\tu:p"),
    ("Authorization", "Bearer u:p", "Bearer u:p"),
    ("X-Authorization", "Basic u:p", "Basic u:p"),
    ("Proxy", "Basic u:p", "Basic u:p"),
]


@pytest.mark.parametrize(("name", "value", "expected"), BASIC)
def test_basic_as_recorded_from_the_platform(name, value, expected):
    assert render_header(name, Template.parse(value, strict=False), {}) == expected
    whole = Template.parse("{{secret.x}}", strict=False)
    assert render_header(name, whole, {"secret": {"x": value}}) == expected


@pytest.mark.parametrize("char", ["\r", "\n", "\0", "\r\n"])
@pytest.mark.parametrize("text", ["Bearer {{secret.x}}", "Basic u:{{secret.x}}"])
def test_a_line_break_in_a_header_is_refused_and_not_shown(char, text):
    template = Template.parse(text, strict=True)
    with pytest.raises(ValueError, match="line break") as caught:
        render_header("Authorization", template, {"secret": {"x": f"CANARY{char}Evil: 1"}})
    assert "CANARY" not in str(caught.value)


# -- properties ------------------------------------------------------------------------

texts = st.text(max_size=200)


@given(texts)
def test_lenient_parsing_never_fails_and_loses_nothing(text):
    template = Template.parse(text, strict=False)
    if not template.placeholders:
        assert template.render({}) == text


@given(texts, texts)
def test_what_a_value_contains_is_never_expanded(before, after):
    for value in ("{{secret.other}}", "{{secret.x}}", "}}{{", "{{now}}"):
        template = Template.parse("<{{secret.x}}|{{secret.y}}>", strict=True)
        rendered = template.render({"secret": {"x": before + value, "y": after, "other": "NO"}})
        assert rendered == f"<{before}{value}|{after}>"


@given(
    st.lists(
        st.one_of(
            st.text(alphabet=st.characters(exclude_characters="{}"), max_size=20),
            st.tuples(
                st.sampled_from(NAMESPACES), st.from_regex(r"[A-Za-z0-9_.-]{1,8}", fullmatch=True)
            ),
        ),
        max_size=MAX_PLACEHOLDERS,
    )
)  # fmt: skip
def test_rendering_is_replacing_each_placeholder_by_its_value(parts):
    values: dict[str, dict[str, str]] = {}
    text = expected = ""
    for part in parts:
        if isinstance(part, str):
            text, expected = text + part, expected + part
        else:
            ns, name = part
            values.setdefault(ns, {})[name] = f"<{ns}/{name}>"
            text, expected = f"{text}{{{{{ns}.{name}}}}}", f"{expected}<{ns}/{name}>"
    assert Template.parse(text, strict=True).render(values) == expected
