"""The rules of sync: what a row is called, how it is sealed, and what proves a row true. Pure.

`docs/sync.md` describes them for a reviewer. Nothing here reads, sends or keeps anything.
"""
