"""A secret is masked however the stream is cut, and nothing else is held back for long."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arcrun_auth import masking, scrub
from arcrun_auth.masking import GLIMPSE, MASK, Masker
from tests import canary

# Few letters: values that overlap, repeat and contain each other are the rule then.
LETTERS = st.text("ab", min_size=scrub.SHORTEST, max_size=9)
VALUES = st.lists(LETTERS, max_size=3)
CHUNKS = st.lists(st.text("abc\n", max_size=12).map(str.encode), max_size=8)


def whole(data: bytes, values: list[str]) -> bytes:
    """What has to come out, found in the plainest way: cover every occurrence, then show."""
    covered = [False] * len(data)
    begins = set()
    for pattern in {form.encode() for value in values for form in scrub.forms(value)}:
        at = data.find(pattern)
        while at >= 0:
            begins.add(at)
            covered[at : at + len(pattern)] = [True] * len(pattern)
            at = data.find(pattern, at + 1)
    out = b""
    for at in range(len(data)):
        if not covered[at]:
            out += data[at : at + 1]
        elif at in begins and not overlaps(data, values, at):
            out += MASK
    return out


def overlaps(data: bytes, values: list[str], at: int) -> bool:
    """Whether an occurrence that begins earlier reaches over `at`."""
    return any(
        data.startswith(pattern, begin) and begin + len(pattern) > at
        for pattern in {form.encode() for value in values for form in scrub.forms(value)}
        for begin in range(max(0, at - len(pattern) + 1), at)
    )


def masked(values: list[str], *chunks: bytes) -> bytes:
    masker = Masker(values)
    return b"".join([*map(masker.feed, chunks), masker.end()])


@given(VALUES, CHUNKS)
def test_every_occurrence_is_covered_however_the_stream_is_cut(values, chunks) -> None:
    data = b"".join(chunks)

    assert masked(values, *chunks) == masked(values, data) == whole(data, values)


@given(VALUES, CHUNKS)
def test_only_what_may_be_the_beginning_of_a_secret_is_held_back(values, chunks) -> None:
    masker, out = Masker(values), b""
    for chunk in chunks:
        out += masker.feed(chunk)
        held = masker._held
        assert not held or any(
            pattern.startswith(held) and pattern != held for pattern in masker._patterns
        )


@given(st.lists(LETTERS, min_size=1, max_size=3), CHUNKS)
def test_a_glimpse_shows_two_bytes_at_most_and_the_rest_stays_masked(values, chunks) -> None:
    masker, out = Masker(values), b""
    for chunk in chunks:
        out += masker.feed(chunk)
        glimpse = masker.glimpse()
        assert len(glimpse) <= GLIMPSE
        out += glimpse
    out += masker.end()

    assert not any(value.encode() in out for value in values)
    assert out.replace(MASK, b"").count(b"c") == b"".join(chunks).count(b"c")


@given(st.lists(st.binary(max_size=20), max_size=6))
def test_bytes_that_are_no_secret_come_out_as_they_are(chunks) -> None:
    assert masked(["a secret that is not there"], *chunks) == b"".join(chunks)
    assert masked([], *chunks) == b"".join(chunks)


@given(st.binary(max_size=8), st.binary(max_size=8), st.integers(0, 40))
def test_a_secret_amid_bytes_that_are_no_text(before, after, cut) -> None:
    secret = "sécret-" + "x" * 12
    data = before + secret.encode() + after

    assert masked([secret], data[:cut], data[cut:]) == before + MASK + after


@pytest.mark.parametrize(
    "disguise",
    [
        lambda s: quote(s, safe="").encode(),
        lambda s: base64.b64encode(b"user:" + s.encode()),
        lambda s: s.encode().hex().encode(),
        lambda s: json.dumps(s).encode(),
    ],
    ids=["percent", "base64", "hex", "json"],
)
def test_the_forms_that_programs_print_are_masked_byte_by_byte(disguise) -> None:
    data = b"<" + disguise(canary.fresh() + '/+ "é') + b">"
    out = masked([canary.fresh(), data[1:-1].decode()], *(bytes([byte]) for byte in data))

    assert canary.hits(out) == []
    assert out == b"<***>"


def test_each_form_of_one_value_is_masked() -> None:
    secret = canary.fresh() + "/+&"
    for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()):
        out = masked([secret], b"x" + form.encode() + b"y")
        assert canary.hits(out) == []
        assert out.startswith(b"x***")


LINE = canary.fresh("line").replace("-", "") * 2
PEM = f"-----BEGIN PRIVATE KEY-----\n{LINE}\n{LINE[::-1]}\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_key_of_several_lines_is_one_secret(ending) -> None:
    text = PEM.replace("\n", ending)

    assert masked([PEM], text.encode()) == MASK


def test_its_lines_are_secrets_too_and_its_frame_is_none() -> None:
    shown = "\n".join(f"| {line}" for line in PEM.splitlines()).encode()

    assert masked([PEM], shown).split(b"\n") == [
        b"| -----BEGIN PRIVATE KEY-----",
        b"| ***",
        b"| ***",
        b"| -----END PRIVATE KEY-----",
    ]


def test_so_are_those_of_a_key_within_json() -> None:
    secret = json.dumps({"type": "service_account", "private_key": PEM}, indent=1)

    assert masked([secret], LINE.encode()) == MASK
    assert masked([secret], secret.encode()) == MASK
    assert masked([secret], b'"type": "service_account"') == b'"type": "service_account"'


def test_what_is_too_short_stands_in_any_text_and_is_left() -> None:
    assert not masking.is_masked("12345")
    assert masked(["12345"], b"a12345b") == b"a12345b"
    assert masking.is_masked("123456")
    assert masked(["123456"], b"a123456b") == b"a***b"


def test_of_two_secrets_with_one_beginning_the_longer_is_waited_for() -> None:
    masker = Masker(["secret", "secret-of-more"])

    assert masker.feed(b"secret-of-") == b""
    assert masker.feed(b"lazy") == b"***-of-lazy"
    assert masker.feed(b" secret-of-more") == b" ***"


def test_it_holds_nothing_that_a_glimpse_could_not_show() -> None:
    masker = Masker(["secret-1"])
    assert not masker.holds
    assert masker.feed(b"is it s") == b"is it "
    assert masker.holds
    assert masker.glimpse() == b"s"
    assert not masker.holds
    assert masker.feed(b"ecr") == b""
    assert masker.glimpse() == b"e"
    assert not masker.holds
    assert masker.glimpse() == b""
    assert masker.feed(b"et-1") == b"***"


@pytest.mark.parametrize("value", ["{}\n", "{}\r\n", " {} "])
def test_white_space_around_a_value_is_no_part_of_the_secret(value) -> None:
    secret = canary.fresh()
    masker = Masker([value.format(secret)])
    shown = masker.feed(f"<{secret}> {secret.encode().hex()}".encode())
    assert shown + masker.end() == b"<***> ***"
