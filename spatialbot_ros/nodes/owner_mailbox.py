"""What others leave for the owner of the arm: actions, and wishes of people.

Of any thread. A stop overtakes all and withdraws what people asked for before it.
"""

import threading
from collections import deque
from dataclasses import dataclass, field
from enum import Enum

from spatialbot_ros.executor_types import Outcome
from spatialbot_ros.safety_records import ActionRequest

_MAX_WAITING_ACTIONS = 100


class Wish(Enum):
    """What a person may ask the owner for."""

    STOP = "stop"
    RESUME = "resume"
    RECOVER = "recover"
    HOME = "home"


@dataclass(slots=True, eq=False)
class Request:
    """A wish on its way, and how it ended."""

    wish: Wish
    reason: str = ""
    done: threading.Event = field(default_factory=threading.Event)
    outcome: Outcome | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, outcome: Outcome) -> Outcome:
        """Say how it ended; returns the answer that counts, which is the first."""
        with self._lock:
            if self.outcome is None:
                self.outcome = outcome
            counts = self.outcome
        self.done.set()
        return counts


class OwnerMailbox:
    """In the order in which it came, but for stops."""

    def __init__(self) -> None:
        self._items: deque[ActionRequest | Request] = deque()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        with self._lock:
            return len(self._items)

    def put_action(self, action: ActionRequest) -> None:
        """Leave an action; the oldest is dropped when there are too many."""
        with self._lock:
            actions = [item for item in self._items if isinstance(item, ActionRequest)]
            if len(actions) >= _MAX_WAITING_ACTIONS:
                self._items.remove(actions[0])
            self._items.append(action)

    def put_request(self, request: Request) -> None:
        """Leave a wish. A resume from before a stop must not undo it: it is answered here."""
        if request.wish is not Wish.STOP:
            with self._lock:
                self._items.append(request)
            return
        with self._lock:
            overtaken = [
                item
                for item in self._items
                if isinstance(item, Request) and item.wish is not Wish.STOP
            ]
            kept = [item for item in self._items if item not in overtaken]
            self._items.clear()
            self._items.extend([request, *kept])
        for item in overtaken:
            item.answer(Outcome(False, f"{item.wish.value} was overtaken by a stop"))

    def take(self) -> ActionRequest | Request | None:
        """The next one, None when there is none."""
        with self._lock:
            return self._items.popleft() if self._items else None

    def empty(self) -> list[Request]:
        """Throw everything away; returns the wishes, which want an answer."""
        with self._lock:
            requests = [item for item in self._items if isinstance(item, Request)]
            self._items.clear()
        return requests
