"""A mailbox in memory, and what a server can do to the messages in one."""

from __future__ import annotations

import threading

from arcrun_auth.sync.enrolling import Mailbox


class Honest(Mailbox):
    """Keeps messages in their order, for two threads."""

    lost = False
    """Whether a message was kept from a reader."""

    def __init__(self) -> None:
        self.boxes: dict[str, list] = {}
        self._lock = threading.Lock()

    def open(self, body):
        with self._lock:
            box = f"box{len(self.boxes)}"
            self.boxes[box] = [("new", body)]
            return box

    def waiting(self):
        with self._lock:
            return [box for box, messages in self.boxes.items() if messages is not None]

    def messages(self, box):
        with self._lock:
            found = self.boxes.get(box)
            return None if found is None else list(found)

    def post(self, box, side, body):
        with self._lock:
            if self.boxes.get(box) is not None:
                self.boxes[box].append((side, body))

    def close(self, box):
        with self._lock:
            self.boxes[box] = None


class Changing(Honest):
    """Shows what `change(reader, side, number, body)` makes of each message.

    Who reads is told by the side that has not written it: a server sees who asks.
    """

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def messages(self, box):
        found = super().messages(box)
        if found is None:
            return None
        counts = {"new": 0, "old": 0}
        shown = []
        for side, body in found:
            shown.append((side, self.change(side, counts[side], body)))
            counts[side] += 1
        self.lost = self.lost or any(body is None for _, body in shown)
        return [(side, body) for side, body in shown if body is not None]
