"""Every store of ours passes the suite that we ship."""

from __future__ import annotations

import pytest

from arcrun_auth.stores import export, upkeep
from arcrun_auth.stores.env import EnvStore
from arcrun_auth.stores.export import EncFile
from arcrun_auth.stores.given import Given
from arcrun_auth.stores.keyring_items import KeyringItems
from arcrun_auth.stores.layers import Layers
from arcrun_auth.stores.memory import Memory
from arcrun_auth.testing import StoreContract, StoreReadContract
from arcrun_auth.tokens import Credential, Secret
from tests.unit.stores_kit import NOTION, FakeBackend, env_keys, keyring, record, vault_at


class TestVault(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        vault = vault_at(tmp_path)
        yield vault
        vault.close()


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self):
        return Memory()


class TestKeyringItems(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return KeyringItems(str(tmp_path / "locks"), keyring=keyring(FakeBackend()))


class TestSplitKeyringItems(StoreContract):
    """On a backend with the limit of Windows."""

    @pytest.fixture
    def store(self, tmp_path):
        class Small(FakeBackend):
            def set_password(self, service, username, password):
                assert len(password.encode("utf-16-le")) <= 2560
                super().set_password(service, username, password)

        return KeyringItems(str(tmp_path / "locks"), keyring=keyring(Small()), limit=1200)


class TestLayers(StoreContract):
    @pytest.fixture
    def store(self):
        return Layers(Memory(), [EnvStore({}, lambda *_: ())])


class TestGiven(StoreReadContract):
    @pytest.fixture
    def held(self):
        return record()

    @pytest.fixture
    def store(self, held):
        return Given(held)


class TestEnvStore(StoreReadContract):
    @pytest.fixture
    def held(self):
        return Credential(NOTION, secrets={"notion_token": Secret("canary")})

    @pytest.fixture
    def store(self, held, tmp_path):
        path = tmp_path / "token"
        path.write_text("canary\n")
        return EnvStore(
            {"ARCRUN_NOTION_TOKEN_FILE": str(path)},
            lambda key: [("notion_token", [f"ARCRUN_{key.account.upper()}_TOKEN"])],
            known=lambda _: [NOTION],
        )


class TestEncFile(StoreReadContract):
    @pytest.fixture
    def held(self):
        return record()

    @pytest.fixture
    def store(self, tmp_path, held):
        keys = env_keys(bytes(32))
        vault = vault_at(tmp_path, keys)
        vault.put(held, expect=0)
        upkeep.new_recovery_code(vault)
        assert export.write(vault, str(tmp_path / "secrets.enc")) == 1
        vault.close()
        return EncFile(str(tmp_path / "secrets.enc"), keys=keys)
