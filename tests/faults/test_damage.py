"""Row 15: one flipped bit, anywhere in the vault's file."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from arcrun_auth.errors import StoreCorrupt, StoreError
from arcrun_auth.stores.keys import Keys
from arcrun_auth.stores.vault import Vault
from arcrun_auth.tokens import Credential, Key, Secret
from tests import canary
from tests.faults.board import count

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fault

RECORDS = 200
MASTER = b"k" * 32


def _vault(path: str) -> Vault:
    return Vault(path, keys=Keys(key=MASTER, environ={}))


def _made(path: str) -> dict[Key, str]:
    """A vault of ordinary records, closed and whole in one file; what they hold."""
    held = {
        Key("credential", f"service{n}"): canary.fresh("x" * (n * 29 % 3000))
        for n in range(RECORDS)
    }
    vault = _vault(path)
    for key, value in held.items():
        record = Credential(key, secrets={"s": Secret(value)})
        vault.put(record, expect=0)
    vault.close()
    assert not os.path.exists(f"{path}-wal")
    return held


def _read(path: str, held: dict[Key, str]) -> Counter[str]:
    """What becomes of each record in a vault that may be damaged."""
    found: Counter[str] = Counter()
    vault = _vault(path)
    try:
        for key, value in held.items():
            try:
                record = vault.get(key)
            except StoreCorrupt:
                found["reported"] += 1
            except StoreError:
                found["refused"] += 1
            except Exception as error:
                found[f"{type(error).__name__} escaped"] += 1
            else:
                if record is None:
                    found["missing"] += 1
                else:
                    whole = record.secrets["s"].reveal() == value and record.key == key
                    found["right" if whole else "wrong"] += 1
    finally:
        vault.close()
    return found


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    return bytes(changed)


def test_row_15_a_flipped_bit_costs_one_record_and_never_gives_a_wrong_one(
    tmp_path: Path, board
) -> None:
    source = str(tmp_path / "source" / "secrets.db")
    held = _made(source)
    with open(source, "rb") as file:
        data = file.read()
    flips, chance = count(10_000, share=50), random.Random(15)
    total: Counter[str] = Counter()
    worse = whole = others = 0
    copy = tmp_path / "copy"
    for _ in range(flips):
        copy.mkdir(mode=0o700)
        path = str(copy / "secrets.db")
        with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:
            file.write(_flipped(data, chance.randrange(len(data) * 8)))
        found = _read(path, held)
        assert found.total() == RECORDS
        total += found
        lost = RECORDS - found["right"]
        others += min(found["right"], RECORDS - 1)  # one record may lie under the flip
        worse += lost > 1
        whole += lost == RECORDS
        # It is set aside under another name at most: never deleted.
        assert any(name.startswith("secrets.db") for name in os.listdir(copy))
        shutil.rmtree(copy)
    escaped = {what: number for what, number in total.items() if what.endswith("escaped")}
    share = 100 * others / ((RECORDS - 1) * flips)
    board.note(
        15,
        "bit flips in the vault",
        injected=f"{flips} flips in copies of {RECORDS} records, {len(data) // 1024} KB",
        must_hold="0 wrong plaintexts, >= 99 % of the other records readable",
        figure=f"{total['wrong']} wrong, {share:.2f} % readable; "
        f"{total['reported'] + total['refused']} reported, {total['missing']} found absent; "
        f"{worse} flips cost more than one record, {whole} all of them"
        + "".join(f"; {number} {what}" for what, number in escaped.items()),
        held=total["wrong"] == 0 and share >= 99 and total["reported"] > 0 and not escaped,
    )
