"""A key that somebody pasted: it signs as it is."""

from __future__ import annotations

from arcrun_auth.primitives.base import Primitive


class StaticKey(Primitive):
    """Secrets that `inject` puts into each request."""

    label = "a key that you paste"
    method_id = "key"
