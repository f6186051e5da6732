"""What is said no to, with the status of its answer."""

from __future__ import annotations

from collections.abc import Mapping

from mnist_gan.errors import MnistGanError


class Problem(MnistGanError):  # noqa: N818 - it is an answer, and nothing has gone wrong
    """A request that is not granted: one sentence that says why, and what to do.

    Args:
        status: of the answer, 400 to 599.
        sentence: for people.
        headers: of the answer, beside the usual ones.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.headers = status, dict(headers or {})
