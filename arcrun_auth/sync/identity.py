"""This home as a device: its own two key pairs, kept in the user's store.

Ed25519 signs, X25519 is what others wrap keys for. Made when first needed. Nothing is
imported before that: the audit trail asks here, too.
"""

from __future__ import annotations

from arcrun_auth.tokens import Key, Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final

    from arcrun_auth.protocol.membership import Device
    from arcrun_auth.stores.base import Store
    from arcrun_auth.tokens import Credential

KEY: Final = Key("device", "identity")
"""Where it lies in the store."""


class Identity:
    """A device that this process can speak for. Shows no key.

    >>> one = Identity.fresh("laptop")
    >>> from arcrun_auth.protocol.signatures import fits
    >>> fits(one.device.sign, one.sign(b"hello"), b"hello")
    True
    """

    __slots__ = ("_box", "_sign", "device")

    def __init__(self, device: Device, *, sign: Secret, box: Secret) -> None:
        self.device = device
        """Its public half."""
        self._sign = sign
        self._box = box

    @classmethod
    def fresh(cls, name: str) -> Identity:
        """With new random keys."""
        import os

        return cls.of_seeds(name, os.urandom(32), os.urandom(32))

    @classmethod
    def of_seeds(cls, name: str, sign: bytes, box: bytes, kind: str = "device") -> Identity:
        """With the raw private keys `sign` (Ed25519) and `box` (X25519), 32 bytes each."""
        from base64 import b64encode

        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

        from arcrun_auth.protocol.membership import Device

        public = (
            Ed25519PrivateKey.from_private_bytes(sign).public_key().public_bytes_raw(),
            X25519PrivateKey.from_private_bytes(box).public_key().public_bytes_raw(),
        )
        device = Device(name, *public, kind="recovery" if kind == "recovery" else "device")
        kept = (Secret(b64encode(raw).decode()) for raw in (sign, box))
        return cls(device, sign=next(kept), box=next(kept))

    @property
    def id(self) -> str:
        return self.device.id

    @property
    def name(self) -> str:
        return self.device.name

    def sign(self, data: bytes) -> bytes:
        """The Ed25519 signature over `data`."""
        from arcrun_auth.protocol.signatures import signed

        return signed(_raw(self._sign), data)

    def unwrap(self, data: bytes, *, vault: str, signers: Mapping[str, bytes]) -> tuple[int, bytes]:
        """What was wrapped for this device: see `wraps.unwrap`. Raises BadWrap."""
        from arcrun_auth.protocol import wraps

        return wraps.unwrap(data, vault=vault, to=self.id, box=_raw(self._box), signers=signers)

    def secrets(self) -> dict[str, Secret]:
        """The private keys, for the store."""
        return {"sign": self._sign, "box": self._box}

    def params(self) -> dict[str, str]:
        """What is kept beside them."""
        return {"id": self.id, "name": self.name}

    def __repr__(self) -> str:
        return f"Identity(id={self.id!r})"


def _raw(key: Secret) -> bytes:
    from base64 import b64decode

    return b64decode(key.reveal())


def stored(store: Store) -> Identity | None:
    """This home's identity; None before it has one. Raises what `Store.get` raises."""
    record = store.get(KEY)
    return None if record is None else of_record(record)


def identity(store: Store, *, name: str | None = None) -> Identity:
    """This home's identity, made and kept if there is none. Raises what the store raises.

    `name` is what people see of a new one; the machine's name if not given.
    """
    from arcrun_auth.errors import StoreConflict
    from arcrun_auth.tokens import Credential

    found = stored(store)
    while found is None:
        made = Identity.fresh(name or machine())
        try:
            store.put(Credential(KEY, secrets=made.secrets(), params=made.params()), expect=0)
        except StoreConflict:  # another process was first
            found = stored(store)
        else:
            return made
    return found


def of_record(record: Credential) -> Identity:
    """The identity in its record. StoreCorrupt where that is damaged."""
    from arcrun_auth.errors import StoreCorrupt

    try:
        sign, box = (_raw(record.secrets[name]) for name in ("sign", "box"))
        found = Identity.of_seeds(record.params["name"], sign, box)
    except (KeyError, ValueError):
        found = None
    if found is None or found.id != record.params.get("id"):
        raise StoreCorrupt(
            "The keys of this device are damaged.", hint="arcrun devices join makes new ones"
        )
    return found


def machine() -> str:
    """What this machine is called, fit for a device's name."""
    import platform

    from arcrun_auth.errors import printable
    from arcrun_auth.protocol.membership import LONGEST_NAME

    return printable(platform.node(), LONGEST_NAME).strip() or "device"
