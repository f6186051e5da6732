"""Adam (Kingma & Ba 2015, algorithm 1), in place, by torch's fused kernel.

It has the bits of `torch.optim.Adam(fused=True)`. Torch's optimizers import its compiler, which takes a second at the
start of every training.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import torch
from torch import Tensor, nn

STATE: Final = ("step", "exp_avg", "exp_avg_sq")
"""Names of the tensors of each weight."""


class Adam:
    """Adam of some weights of one device, with its state allocated from the beginning.

    So checkpoints of step 0 and of later steps have the same tensors. On a CUDA device the learning rate is a tensor: a
    captured step reads it at every replay.

    Args:
        weights: updated in place.
        lr: learning rate.
        betas: decay of the means of the gradient and of its square.
        eps: added to the root of the mean square.
    """

    def __init__(self, weights: Iterable[nn.Parameter], *, lr: float, betas: tuple[float, float], eps: float) -> None:
        self.weights = list(weights)
        self.betas, self.eps = betas, eps
        device = self.weights[0].device
        self._lr: float | Tensor = torch.tensor(lr, device=device) if device.type == "cuda" else lr
        self.state: dict[Tensor, dict[str, Tensor]] = {
            weight: {
                "step": torch.zeros((), dtype=torch.float32, device=device),
                "exp_avg": torch.zeros_like(weight, memory_format=torch.preserve_format),
                "exp_avg_sq": torch.zeros_like(weight, memory_format=torch.preserve_format),
            }
            for weight in self.weights
        }

    @property
    def lr(self) -> float | Tensor:
        """Learning rate of the next step."""
        return self._lr

    @lr.setter
    def lr(self, value: float) -> None:
        if isinstance(self._lr, Tensor):
            self._lr.fill_(value)
        else:
            self._lr = value

    def zero_grad(self) -> None:
        """Clear the gradients."""
        for weight in self.weights:
            weight.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Take one step by the gradients of the weights; one without a gradient stays as it is."""
        for dtype in dict.fromkeys(weight.dtype for weight in self.weights):
            weights: list[Tensor] = [each for each in self.weights if each.grad is not None and each.dtype == dtype]
            if weights:
                step, mean, square = ([self.state[weight][name] for weight in weights] for name in STATE)
                torch._foreach_add_(step, 1.0)
                self.update(weights, [each.grad for each in weights if each.grad is not None], mean, square, step)

    def update(
        self,
        weights: list[Tensor],
        gradients: list[Tensor],
        means: list[Tensor],
        squares: list[Tensor],
        steps: list[Tensor],
    ) -> None:
        """Update weights and moments, or parts of them, by the settings of this optimizer; `steps` count from 1."""
        torch._fused_adam_(
            weights,
            gradients,
            means,
            squares,
            [],
            steps,
            lr=self._lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=0.0,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
