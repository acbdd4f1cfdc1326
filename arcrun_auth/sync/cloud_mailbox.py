"""The mailbox of two devices that enrol, on a platform, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arcrun_auth.sync.enrolling import Mailbox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from arcrun_auth.cloud import Cloud
    from arcrun_auth.sync.enrolling import Side


class CloudMailbox(Mailbox):
    """The enrolments of an account. The client is its owner's to close."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def open(self, body: str) -> str:
        return self._cloud.begin_enrolment(body)

    def waiting(self) -> Sequence[str]:
        found = sorted(self._cloud.enrolments(), key=lambda each: each.created_at or "")
        return [each.id for each in found]

    def messages(self, box: str) -> Sequence[tuple[Side, str]] | None:
        found = self._cloud.enrolment(box)
        if found is None:
            return None
        return [(each.sender, str(each.body)) for each in found.messages]

    def post(self, box: str, side: Side, body: str) -> None:
        self._cloud.send_message(box, side, body)

    def close(self, box: str) -> None:
        self._cloud.end_enrolment(box)
