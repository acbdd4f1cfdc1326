"""Secrets out of answers: whatever a service makes of one, no twelve characters of it are left."""

from __future__ import annotations

import base64
import html
import json
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from arcrun_auth.agents import escapes
from arcrun_auth.agents.scrubber import WINDOW, Scrubber, Stream
from tests import canary
from tests.agents_kit import SPELLINGS, hits

CHARS = string.ascii_letters + string.digits + "-._~+/=:@!$&'()*,;\"\\ <>%é"
SECRETS = st.text(CHARS, min_size=WINDOW, max_size=60)
AROUND = st.text(max_size=30)


def partly(text: str, turns: list[bool]) -> str:
    """Percent-encoded here and there."""
    return "".join(
        "".join(f"%{byte:02X}" for byte in char.encode())
        if turns[at % len(turns)] or char == "%"
        else char
        for at, char in enumerate(text)
    )


class TestWhatIsFound:
    @given(SECRETS, st.sampled_from(sorted(SPELLINGS)), AROUND, AROUND)
    @example("cAnArY-9f-key/with+signs=", "base64, two further", "é", "x")
    @example("00000000000é", "reversed", "", "")
    def test_no_twelve_characters_are_left_of_any_spelling(
        self, secret, spelling, before, after
    ) -> None:
        if spelling == "upper case" and "é" in secret:
            return  # letters are alike within ASCII alone
        said = SPELLINGS[spelling](secret)
        clean = Scrubber([secret]).text(f"{before} {said} {after}")
        assert "***" in clean
        assert not hits(clean, secret)

    @given(SECRETS, st.lists(st.booleans(), min_size=1, max_size=9), st.integers(0, 2))
    @example("0000000000\\n", [True, False, False], 0)
    def test_percent_in_part_and_again_and_again(self, secret, turns, again) -> None:
        said = partly(secret, turns)
        for _ in range(again):
            said = quote(said, safe="")
        assert Scrubber([secret]).text(f"\n{said}\n") == "\n***\n"

    @given(SECRETS, st.integers(0, 60), st.integers(WINDOW, 60))
    def test_a_piece_is_enough(self, secret, start, size) -> None:
        piece = secret[start : start + size]
        clean = Scrubber([secret]).text(f"\n{piece}\n")
        assert (clean == "\n***\n") or len(piece) < WINDOW

    def test_one_encoding_within_another(self) -> None:
        secret = canary.fresh()
        packed = base64.b64encode(json.dumps({"k": secret}).encode()).decode()
        for said in (
            quote(packed, safe=""),
            json.dumps(html.escape(quote(secret + '"', safe=""))),
            json.dumps(json.dumps(json.dumps(f'"{secret}"'))),
            base64.b64encode(quote(f"{secret}/+", safe="").encode()).decode(),
        ):
            assert not hits(Scrubber([secret]).text(said), secret)

    def test_a_short_secret_is_found_whole_and_a_tiny_one_not_sought(self) -> None:
        scrubber = Scrubber(["hunter2", "abc", "x" * 11])
        assert scrubber.text("hunter2 HUNTER2 hunter aGh1bnRlcjI=") == "*** *** hunter aG***I="
        assert scrubber.text(f"abc {'x' * 11}") == "abc ***"

    def test_an_address_is_found_whole_and_leaves_its_domain_alone(self) -> None:
        scrubber = Scrubber(["somebody.of.ours@example.company.com"])
        text = "Somebody.of.ours@example.company.com, other@example.company.com"
        assert scrubber.text(text) == "***, other@example.company.com"
        stream = Stream(scrubber)
        pieces = [stream.feed(text[at : at + 5].encode()) for at in range(0, len(text), 5)]
        assert b"".join([*pieces, stream.feed(b"", last=True)]).decode() == scrubber.text(text)

    def test_what_is_left_of_a_secret_of_escapes_is_not_sought_everywhere(self) -> None:
        assert Scrubber(["%41%41%41"]).text("AAA %41%41%41") == "AAA ***"

    def test_a_secret_of_another_script_is_found_and_its_few_letters_are_not_sought(self) -> None:
        secret = "\u0441\u0435\u043a\u0440\u0435\u0442-abc"
        assert Scrubber([secret]).text(f"abc {secret} -abc") == "abc *** -abc"
        assert Scrubber(["pässwörter-abc"]).data("<pässwörter-abc>".encode("latin-1")) == b"<***>"

    def test_of_several_secrets_all_are_found(self) -> None:
        first, second = canary.fresh(), canary.fresh()
        text = f"{first}{second} and {second[:20]}"
        assert Scrubber([first, second]).text(text) == "*** and ***"

    def test_utf16_is_looked_into(self) -> None:
        secret = canary.fresh()
        for coding in ("utf-16-le", "utf-16-be"):
            clean = Scrubber([secret]).data(f"it is {secret}.".encode(coding))
            assert not canary.hits(clean.replace(b"\0", b""))


class TestWhatIsLeftAlone:
    @given(st.binary(max_size=300), st.text("0123456789", min_size=WINDOW, max_size=40))
    def test_bytes_without_the_secret_stay_as_they_are(self, data, digits) -> None:
        secret = f"\u00e9\u00df{digits}\u00fe"
        if digits[:6].encode() in data:
            return
        assert Scrubber([secret]).data(data) == data

    @given(st.text(max_size=300))
    def test_without_a_secret_every_text_stays_as_it_is(self, text) -> None:
        assert Scrubber([]).text(text) == text

    def test_fewer_than_twelve_characters_are_told_of_by_many_words(self) -> None:
        assert Scrubber(["an-ordinary-secret-of-ours"]).text("an-ordinary") == "an-ordinary"

    def test_it_shows_nothing_of_what_it_seeks(self) -> None:
        assert not canary.hits(repr(Scrubber([canary.fresh()])))


class TestInPieces:
    @given(
        SECRETS,
        st.sampled_from(sorted(SPELLINGS)),
        AROUND,
        st.lists(st.integers(1, 40), min_size=1, max_size=10),
    )
    def test_however_it_is_cut_it_is_the_same(self, secret, spelling, around, cuts) -> None:
        scrubber = Scrubber([secret])
        data = f"{around} {SPELLINGS[spelling](secret)} {around}".encode()
        stream, out, at, turn = Stream(scrubber), b"", 0, 0
        while at < len(data):
            size = cuts[turn % len(cuts)]
            out += stream.feed(data[at : at + size])
            at, turn = at + size, turn + 1
        assert out + stream.feed(b"", last=True) == scrubber.data(data)

    def test_a_line_that_is_no_secret_is_given_out_at_once(self) -> None:
        stream = Stream(Scrubber([canary.fresh()]))
        for line in (b"data: one\n\n", b"data: two\n\n"):
            assert stream.feed(line) == line

    def test_the_end_of_a_line_waits_for_nothing_where_a_secret_has_lines(self) -> None:
        secret = f"-----BEGIN-----\n{canary.fresh()}\n\n-----END-----\n"
        stream = Stream(Scrubber([secret]))
        assert stream.feed(b'data: {"a": 1}\n\n') == b'data: {"a": 1}\n\n'
        assert stream.feed(secret.encode()) + stream.feed(b"!", last=True) == b"***!"

    def test_what_may_be_its_beginning_waits(self) -> None:
        secret = canary.fresh()
        stream = Stream(Scrubber([secret]))
        assert stream.feed(f"is {secret[:8]}".encode()) == b"is "
        assert stream.feed(b" it?") == f"{secret[:8]} it?".encode()

    def test_a_long_one_is_hidden_once_across_many_pieces(self) -> None:
        secret = canary.WORD + "x1y2" * 1000
        stream, out = Stream(Scrubber([secret])), b""
        for at in range(0, len(secret), 100):
            out += stream.feed(secret[at : at + 100].encode())
        assert out + stream.feed(b"!", last=True) == b"***!"


def test_a_megabyte_is_looked_at_in_steps(monkeypatch) -> None:
    """Linear: twice the text takes twice the looks, at a text that is all but the secret."""
    looks = []

    class Counting(frozenset):
        def __contains__(self, item) -> bool:
            looks.append(1)
            return frozenset.__contains__(self, item)

    scrubber = Scrubber(["ab" * 40])
    scrubber._windows = Counting(scrubber._windows)
    counts = []
    for size in (10_000, 20_000):
        looks.clear()
        scrubber.data(b"ab" * size)
        counts.append(len(looks))
    assert counts[1] < counts[0] * 2.1


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (rb"\u0041\x42%43&#68;&#x45;&amp;\"", b'ABCDE&"'),
        (rb"\ud83d\ude00", "😀".encode()),
        (rb"\ud83d", "\ud83d".encode("utf-8", "surrogatepass")),
        (rb"\n\t\/\'", b"\n\t/'"),
        (b"a\0b\0", b"ab"),
        (b"%zz \\q &zzz; &#; 100%", b"%zz \\q &zzz; &#; 100%"),
    ],
)
def test_escapes_are_undone(text, plain) -> None:
    found = escapes.undo(text)
    assert (found.text if found is not None else text) == plain


@given(st.binary(max_size=60), st.integers(0, 60))
def test_where_an_escape_begins_it_is_not_cut(data, at) -> None:
    head = data[:at]
    end = escapes.begun(head)
    assert 0 <= end <= len(head)
    whole, first = escapes.undo(data), escapes.undo(head[:end])
    plain = first.text if first is not None else head[:end]
    rest = data[end:]
    second = escapes.undo(rest)
    joined = plain + (second.text if second is not None else rest)
    assert joined == (whole.text if whole is not None else data)
