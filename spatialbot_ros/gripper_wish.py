"""What the gripper was asked to do, and whether it has been told."""


class GripperWish:
    """Changes only are sent; a wish that was dropped before it was sent counts as none."""

    def __init__(self) -> None:
        self.closed = False
        self._waiting: bool | None = None
        # what the fingers really do is unknown until the first wish was sent
        self._is_sent = False

    def forget(self) -> None:
        """Another gripper, or the same after a lost connection."""
        self._is_sent = False

    def want(self, closed: bool) -> None:
        """Ask for it, whether or not it is new."""
        self.closed = self._waiting = closed
        self._is_sent = True

    def follow(self, closed: bool) -> None:
        """Ask for it unless that was the last wish."""
        if closed != self.closed or not self._is_sent:
            self.want(closed)

    def drop(self) -> None:
        """Take back what was not sent yet; what was sent may not have been begun either."""
        self._waiting, self._is_sent = None, False

    def take(self) -> bool | None:
        """What is to be sent now, None for nothing."""
        waiting, self._waiting = self._waiting, None
        return waiting
