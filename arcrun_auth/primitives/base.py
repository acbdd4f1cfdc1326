"""What every primitive is: how a way in gets its token, and how it signs a request.

A primitive holds no state and does no I/O of its own. What it needs of one connection it
is handed as a `Desk`; what it sends goes through `Desk.send`, to the hosts that the recipe
declares and no other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from arcrun_auth.signing import Signer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Literal

    from arcrun_auth._http import Answer
    from arcrun_auth.oauth.call import TokenCall, Values
    from arcrun_auth.recipe.model import Method
    from arcrun_auth.recipe.reader import Place
    from arcrun_auth.signing import Binding
    from arcrun_auth.tokens import Grant, Secret


class Desk(Protocol):
    """One connection as a primitive sees it, at one moment."""

    service: str
    name: str
    """As it is typed: with the instance, where that is not the default one."""
    way: Method

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the broker's clock."""

    @property
    def params(self) -> Mapping[str, str]:
        """Every param, given or default, checked."""

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """The secrets; a member of a JSON text by its name after a dot: `key_file.client_email`."""

    @property
    def scopes(self) -> Sequence[str]:
        """The scopes that are asked for."""

    @property
    def checked(self) -> bool:
        """Whether these very secrets went through `Primitive.check` when they were kept."""

    def secret(self, key: str) -> Secret:
        """One of `secrets`. MissingSecret where it is not there."""

    def values(self, access_token: Secret | None = None) -> Values:
        """What the templates of its requests may name."""

    def subject_token(self, document: Mapping[str, Any], variables: str) -> Secret:
        """What the workload that this runs as proves itself by, got as the document says.

        `variables` begins the names of those that tell a program what is wanted. Raises as
        `workload.subject_token`.
        """

    def send(self, call: TokenCall) -> Answer:
        """Sends a request, to a host that the recipe declares. HostNotAllowed for any other,
        ProviderUnavailable where it cannot be reached."""


class Primitive:
    """How one kind of way in works. Subclass it, and say where it differs."""

    label: ClassVar[str] = ""
    """What it is, in a few words, where a recipe is shown."""
    method_id: ClassVar[str] = ""
    """What a way in of this kind is called where the recipe does not say; its name if empty."""
    source: ClassVar[Literal["secrets", "made", "grant"]] = "secrets"
    """What signs: the secrets themselves; a token that `issue` makes here each time, kept in
    memory alone; or one that `issue` asks a server for, kept in the vault till its end."""

    has_server: ClassVar[bool] = False
    """Whether a recipe of this kind has the part `oauth2`."""

    def faults(self, way: Method) -> Iterable[tuple[Place, str]]:
        """What is wrong with a recipe's way in of this kind: where, and why."""
        return ()

    def servers(self, way: Method) -> Iterable[tuple[Place, str]]:
        """The URLs, as the recipe writes them, that `issue` sends secrets to."""
        return ()

    def uses(self, way: Method) -> Iterable[str]:
        """The keys of the secrets that it uses by itself, beside those that `inject` names."""
        return ()

    def check(self, way: Method, secrets: Mapping[str, Secret]) -> None:
        """Looks at secrets before they are kept. AuthError where they can never work; whoever
        asks adds which service it is about."""

    def ends(self, way: Method, secrets: Mapping[str, Secret]) -> float | None:
        """When secrets that were checked end by themselves, in seconds since the epoch; None
        where they do not tell."""
        return None

    def issue(self, desk: Desk) -> Grant:
        """A new token. TokenRefused, ProviderUnavailable, MissingSecret."""
        raise NotImplementedError

    def signer(self, binding: Binding) -> Signer:
        """What signs the requests of a client: as the recipe's `inject` says."""
        return Signer(binding)
