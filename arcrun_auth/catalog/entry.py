"""What the index says of one service: light, immutable, made from one row.

On the way to every token: nothing is imported here before it is asked for.
"""

from __future__ import annotations

from arcrun_auth.errors import RecipeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Row = tuple[str, ...]
    SecretEntry = tuple[str, bool, tuple[str, ...]]


TRUSTED_TIERS = ("bundled", "official")
"""Whose recipes may use a secret of the environment, which nobody was asked about? Both are
signed by the same people, the one as a release of this package."""


class MethodEntry:
    """One way in, as far as the hot path has to know it."""

    __slots__ = (
        "_source", "digest", "id", "injected", "label", "primitive", "refresh", "rotates",
        "secrets", "token_secret", "unattended",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - a row of the index, in its order
        self,
        id: str,  # noqa: A002 - the recipe's word for it
        primitive: str,
        label: str,
        digest: str,
        token_secret: str,
        secrets: Sequence[tuple[str, bool, Sequence[str]]],
        rotates: str,
        refresh: str,
        unattended: bool,
        source: str,
        injected: Sequence[str],
    ) -> None:
        self.id = id
        self.primitive = primitive
        self.label = label
        self.digest = digest
        """The digest of its consent projection."""
        self.token_secret = token_secret
        """The secret that `get_token` gives; empty where there are several, or a grant."""
        self.secrets: tuple[SecretEntry, ...] = tuple(
            (key, optional, tuple(env)) for key, optional, env in secrets
        )
        """`(key, optional, names in the environment)`, ours first, for the default instance."""
        self.rotates = rotates
        """Whether its refresh token changes with each use: yes, no, maybe; no for a static key."""
        self.refresh = refresh
        """How a grant is renewed: yes (by its refresh token), reissue, exchange, or no."""
        self.unattended = unattended
        """Whether its token comes without a person: to the app itself, or for an assertion."""
        self._source = source
        self.injected = tuple(injected)
        """The keys of the secrets that `inject` names."""

    @property
    def source(self) -> str:
        """What signs: `secrets` as they are, a token `made` here, or a `grant` that is kept."""
        if not self._source:  # a plug-in's, which may have been absent when this was indexed
            from arcrun_auth.primitives import load

            self._source = load(self.primitive).source
        return self._source

    def __repr__(self) -> str:
        return f"MethodEntry({self.id!r}, {self.primitive!r})"


class Entry:
    """One service as the index knows it. Immutable, and cheap until `methods` is asked for."""

    __slots__ = ("_detail", "_row")

    def __init__(self, row: Row) -> None:
        self._row = row
        self._detail: tuple[tuple[str, ...], tuple[MethodEntry, ...]] | None = None

    @property
    def service(self) -> str:
        return self._row[0]

    @property
    def display_name(self) -> str:
        return self._row[1]

    @property
    def category(self) -> str:
        return self._row[2]

    @property
    def account(self) -> str:
        """Under which name its credential is kept: the service's own unless it shares one."""
        return self._row[3]

    @property
    def status(self) -> str:
        """active, deprecated or closed."""
        return self._row[4]

    @property
    def successor(self) -> str:
        """What to use instead of a deprecated or closed service; empty if nothing."""
        return self._row[5]

    @property
    def tier(self) -> str:
        """Who supplied the recipe: bundled, official, community, local or platform."""
        return self._row[6]

    @property
    def trusted(self) -> bool:
        """Whether it comes from those who make this package."""
        return self.tier in TRUSTED_TIERS

    @property
    def release(self) -> str:
        """The version of this package, or of the official set, that brought the recipe; empty for
        the other tiers."""
        return self._row[7]

    @property
    def path(self) -> str:
        """The file it was read from: a bare name inside the wheel."""
        return self._row[8]

    @property
    def aliases(self) -> tuple[str, ...]:
        return self._details()[0]

    @property
    def methods(self) -> tuple[MethodEntry, ...]:
        """Its ways in; the first is the default."""
        return self._details()[1]

    def method(self, id: str = "") -> MethodEntry:  # noqa: A002
        """The way in of that id, the default one if empty. RecipeError if there is none."""
        for method in self.methods:
            if method.id == id or not id:
                return method
        ids = ", ".join(method.id for method in self.methods)
        raise RecipeError(
            f"{self.service} has no method {id!r}: there are {ids}.",
            service=self.service,
            hint=f"arcrun show {self.service} says what each needs",
        )

    def _details(self) -> tuple[tuple[str, ...], tuple[MethodEntry, ...]]:
        if self._detail is None:
            import json

            aliases, methods = json.loads(self._row[9])
            self._detail = (tuple(aliases), tuple(MethodEntry(*method) for method in methods))
        return self._detail

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._row == other._row

    def __hash__(self) -> int:
        return hash(self._row)

    def __repr__(self) -> str:
        return f"Entry({self.service!r}, tier={self.tier!r})"
