"""Authenticated connections to any service, with no account, no server and no cloud."""

__version__ = "0.1.0"
