"""The platform that keeps what homes share: ciphertext, and who may fetch it.

Three layers, each of which knows the one below and none above:

- `database`: one transaction at a time, on SQLite or PostgreSQL, in one SQL text;
- the service: `accounts`, `keys`, `rows`, `leases`, `mailbox`, `recipes`, `audit`, plain functions
  of a transaction and a caller, which know neither HTTP nor a framework;
- `routes` and `web`: which path calls which function, and what goes over the wire.

It needs the extra `server`: `pip install 'arcrun-auth[server]'`.
"""
