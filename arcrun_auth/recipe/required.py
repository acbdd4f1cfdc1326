"""The part of a recipe about the secrets that it takes.

The docstring under a field is its description in the JSON Schema.
"""

from __future__ import annotations

from typing import Literal

from arcrun_auth.recipe.types import Model, Name, Text, Url


class RequiredSecret(Model, frozen=True):
    """A secret the user has to give."""

    key: Name
    """Its name in templates: `{{secret.KEY}}`."""
    label: Text = ""
    """What it is called where the user finds it."""
    help: Text = ""
    """One sentence on how to get it."""
    help_url: Url = ""
    """The page where it is found or made."""
    type: Literal["text", "password", "json_blob", "pem", "file"] = "text"
    """What is asked for: a line, a line that is not echoed back, a JSON text, a PEM, a file."""
    optional: bool = False
    """Whether the service works without it."""
    pattern: str = ""
    """A regular expression it usually matches: a mismatch warns of a typo, and never refuses."""
    example: Text = ""
    """What one looks like; never a real one."""
    env: tuple[Name, ...] = ()
    """Further environment variables that hold it. Honoured in bundled recipes only."""
    ambient: bool = False
    """Whether it is this machine's: never asked for or kept, but looked up at each use, in
    `env` and `files`. Honoured in bundled recipes only."""
    files: tuple[Text, ...] = ()
    """Files that may hold an ambient secret, the first there is: `~/…`, `${VARIABLE}/…`."""
