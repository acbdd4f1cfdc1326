"""Which entry of a table a path leads to: `/credentials/{name}` stands for one segment there."""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Paths(Generic[T]):
    """A table of paths. A path that stands there as it is goes before one with a variable.

    >>> paths = Paths({"/rows/{name}": 1, "/rows/batch": 2})
    >>> paths.find("/rows/batch"), paths.find("/rows/a"), paths.find("/rows/a/b")
    ((2, {}), (1, {'name': 'a'}), None)
    """

    def __init__(self, entries: dict[str, T]) -> None:
        self._exact = {path: entry for path, entry in entries.items() if "{" not in path}
        self._patterns: dict[int, list[tuple[list[str], T]]] = {}
        for path, entry in entries.items():
            if path not in self._exact:
                parts = path.split("/")
                self._patterns.setdefault(len(parts), []).append((parts, entry))

    def find(self, path: str) -> tuple[T, dict[str, str]] | None:
        """The entry of a path, and what its variables are here; None if there is none."""
        exact = self._exact.get(path)
        if exact is not None:
            return exact, {}
        parts = path.split("/")
        for pattern, entry in self._patterns.get(len(parts), ()):
            found = {}
            for asked, part in zip(pattern, parts, strict=True):
                if asked[:1] == "{":
                    found[asked[1:-1]] = part
                elif asked != part:
                    break
            else:
                if all(found.values()):
                    return entry, found
        return None
