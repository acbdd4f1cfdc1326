"""One's own OAuth apps: where they are kept, how they are asked for, who uses them."""

from __future__ import annotations

from arcrun_auth.apps.asking import ask, fill, from_file
from arcrun_auth.apps.kept import forget, keep, key_of, lacking, missing, proof_of, stored
from arcrun_auth.apps.uses import Kept, Use, find, kept, uses
from arcrun_auth.oauth.app import App

__all__ = [
    "App",
    "Kept",
    "Use",
    "ask",
    "fill",
    "find",
    "forget",
    "from_file",
    "keep",
    "kept",
    "key_of",
    "lacking",
    "missing",
    "proof_of",
    "stored",
    "uses",
]
