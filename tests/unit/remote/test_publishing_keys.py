"""The keys of a maintainer, under a passphrase."""

from __future__ import annotations

import os
import shutil
import subprocess
from base64 import b64decode

import pytest

from arcrun_auth.errors import StoreError, StoreLocked
from arcrun_auth.publishing import keys, pkcs8
from arcrun_auth.publishing.keys import Keyring
from arcrun_auth.publishing.repository import KEYS
from arcrun_auth.stores import private
from arcrun_auth.tokens import Secret
from tests import canary
from tests.mirror import PASSPHRASE


def test_keys_are_for_their_owner_alone_and_under_a_passphrase(maintainer) -> None:
    folder = maintainer.folder / "keys"
    made = sorted(folder.iterdir())
    assert [p.name for p in made] == sorted([*(f"{name}.pem" for name in KEYS), "root.json"])
    for path in folder.glob("*.pem"):
        assert "BEGIN ENCRYPTED PRIVATE KEY" in path.read_text()
        if os.name == "posix":
            assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_is_never_written_over(tmp_path) -> None:
    path = tmp_path / "keys" / "a.pem"
    keys.make(str(path), Secret(PASSPHRASE))
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not replaced"):
        keys.make(str(path), Secret(PASSPHRASE))
    assert path.read_bytes() == before


def test_a_key_that_came_meanwhile_is_not_written_over(tmp_path, monkeypatch) -> None:
    path = tmp_path / "a.pem"

    def slow(*_):
        path.write_text("of somebody else")
        return b"ours"

    monkeypatch.setattr(pkcs8, "encrypted", slow)
    with pytest.raises(StoreError, match="not replaced"):
        keys.make(str(path), Secret(PASSPHRASE))
    assert path.read_text() == "of somebody else"


def test_a_key_that_could_not_be_written_in_full_is_not_there(tmp_path, monkeypatch) -> None:
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        keys.make(str(tmp_path / "a.pem"), Secret(PASSPHRASE))
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(private, "ensure_folder", lambda _: None)
    with pytest.raises(StoreError, match="cannot be written"):
        keys.make(str(tmp_path / "file" / "a.pem"), Secret(PASSPHRASE))


@pytest.mark.parametrize("passphrase", ["", "x", "1234567"])
def test_a_passphrase_that_is_soon_guessed_makes_no_key(tmp_path, passphrase) -> None:
    with pytest.raises(StoreError, match="at least 8 characters"):
        keys.make(str(tmp_path / "a.pem"), Secret(passphrase))
    assert not list(tmp_path.iterdir())


def test_a_key_is_not_set_aside_for_a_passphrase_that_is_refused(maintainer) -> None:
    folder = maintainer.folder / "keys"
    before = sorted(folder.iterdir())
    with pytest.raises(StoreError, match="at least 8 characters"):
        Keyring(str(folder), lambda _: Secret("x")).replace("release")
    assert sorted(folder.iterdir()) == before


def test_a_guess_at_a_passphrase_is_dear_and_openssl_reads_the_key(tmp_path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    path = tmp_path / "a.pem"
    key = keys.make(str(path), Secret(PASSPHRASE))
    assert keys.load(str(path), lambda: Secret(PASSPHRASE)).private_bytes_raw() == (
        key.private_bytes_raw()
    )
    number, size, lanes = pkcs8.COST
    assert number * size * lanes >= 1 << 19  # what 64 MiB of scrypt cost in one lane
    envelope = b64decode("".join(path.read_text().splitlines()[1:-1]))
    scrypt_and_cost = "06092b06010401da47040b" + "301c" + "0410"
    assert scrypt_and_cost in envelope.hex()
    assert "02024000" + "020108" + "020105" in envelope.hex()
    openssl = shutil.which("openssl")
    if openssl is not None:
        public = subprocess.run(
            [openssl, "pkey", "-in", path, "-passin", "stdin", "-pubout"],
            input=PASSPHRASE.encode(), capture_output=True, check=True,
        ).stdout  # fmt: skip
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        assert public == pem


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_folder_that_is_there_keeps_its_mode(tmp_path, monkeypatch) -> None:
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    keys.make("a.pem", Secret(PASSPHRASE))
    keys.make("new/a.pem", Secret(PASSPHRASE))
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("", "a.pem", "new", "new/a.pem")]
    assert modes == [0o755, 0o600, 0o700, 0o600]


def test_a_key_that_cannot_be_opened_says_why(tmp_path) -> None:
    path = str(tmp_path / "a.pem")
    with pytest.raises(StoreError, match="There is no key"):
        keys.load(path, lambda: Secret(PASSPHRASE))
    keys.make(path, Secret(PASSPHRASE))
    with pytest.raises(StoreLocked, match="does not open"):
        keys.load(path, lambda: Secret(canary.fresh()))


def test_a_key_without_a_passphrase_or_of_another_kind_is_refused(tmp_path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = generate_private_key(SECP256R1())
    path = tmp_path / "given" / "a.pem"
    path.parent.mkdir()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(StoreError, match="no key under a passphrase"):
        keys.load(str(path), lambda: Secret(PASSPHRASE))
    under = BestAvailableEncryption(PASSPHRASE.encode())
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, under))
    with pytest.raises(StoreError, match="no Ed25519 key"):
        keys.load(str(path), lambda: Secret(PASSPHRASE))
