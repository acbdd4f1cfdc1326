"""Without the log of the HTTP library, where what it shows is not the matter and it is much."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def libraries() -> Iterator[None]:
    """It is searched for secrets in other tests; here every line of it would be formatted too."""
    logs = [logging.getLogger(name) for name in ("httpcore", "httpx", "filelock")]
    for log in logs:
        log.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for log in logs:
            log.setLevel(logging.NOTSET)
