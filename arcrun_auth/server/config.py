"""What whoever runs a server decides: who may register, and how much one account may ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from arcrun_auth.server.providers import Providers

Registration = Literal["open", "invite", "closed"]


@dataclass(frozen=True)
class Limits:
    """How much is too much. A rate of 0 is none."""

    body: int = 4 << 20
    """How many bytes may the body of a request have?"""
    row: int = 512 << 10
    """How many characters may the ciphertext of one row have?"""
    rows: int = 100_000
    """How many rows may an account have, those of sync that were deleted included?"""
    batch: int = 500
    """How many rows may one batch or one page have?"""
    page: int = 4 << 20
    """After how many characters of ciphertext does a page end?"""
    keys: int = 200
    """How many API keys may an account have?"""
    enrolments: int = 20
    """How many enrolments may an account have under way?"""
    key_rate: float = 50.0
    """How many requests a second may be made with one API key, over a longer time?"""
    key_burst: int = 500
    """How many at once?"""
    address_rate: float = 1.0
    """How many requests a second without a valid key may come from one address?"""
    address_burst: int = 60


@dataclass(frozen=True)
class Config:
    """The settings of one server."""

    registration: Registration = "closed"
    url: str = ""
    """Where people reach it, without a slash at its end; empty if nobody said."""
    folder: str = ""
    """Where its own recipes lie, in `recipes/`, beside those of this package."""
    limits: Limits = field(default_factory=Limits)
    providers: Providers = field(default_factory=Providers)
    """Who signs people in, and which OAuth apps are shared."""
