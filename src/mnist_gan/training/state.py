"""All that changes while training, in one place."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mnist_gan.config import Config, OptimizerConfig
from mnist_gan.models import Discriminator, Generator, ImageShape, build_discriminator, build_generator

ADAM_MOMENTS = ("step", "exp_avg", "exp_avg_sq")
COUNTERS = ("cur_nimg", "step", "last_tick_nimg", "lr_scale", "rollbacks")


@dataclass(kw_only=True, slots=True)
class TrainState:
    """Networks, average, optimizers, the clock, and the sums of statistics since the last tick.

    Everything random is derived from the seed and the clock, so nothing else has to be saved to continue exactly.
    """

    G: Generator
    D: Discriminator
    G_ema: Generator
    g_optimizer: torch.optim.Adam
    d_optimizer: torch.optim.Adam
    sums: Float[Tensor, "statistics"]
    """Sums over steps since the last tick, in the order of `step.statistic_names`; the last is the number of steps."""
    cur_nimg: int = 0
    """Real images that the discriminator has seen: the one clock."""
    step: int = 0
    """Generator steps taken."""
    last_tick_nimg: int = 0
    """Where the clock stood at the last tick."""
    lr_scale: float = 1.0
    """What both learning rates are multiplied by beside their schedule."""
    rollbacks: int = 0
    """How often the training was taken back."""

    def tensors(self) -> dict[str, Tensor]:
        """Every tensor of the state under a name, on the CPU and contiguous, ready to be saved."""
        named: dict[str, Tensor] = {"sums": self.sums}
        for prefix, module in (("G", self.G), ("D", self.D), ("G_ema", self.G_ema)):
            named |= {f"{prefix}/{name}": tensor for name, tensor in module.state_dict().items()}
        for prefix, optimizer in (("g_optimizer", self.g_optimizer), ("d_optimizer", self.d_optimizer)):
            named |= {f"{prefix}/{name}": tensor for name, tensor in _moments(optimizer).items()}
        return {name: tensor.detach().cpu().contiguous() for name, tensor in named.items()}

    def counters(self) -> dict[str, Any]:
        """The plain numbers of the state."""
        return {name: getattr(self, name) for name in COUNTERS}

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor], counters: dict[str, Any]) -> None:
        """Take over what `tensors` and `counters` gave, bit for bit.

        Raises:
            ValueError: a tensor is missing, superfluous, or of another shape or type.
        """
        own = self.tensors()
        if own.keys() != tensors.keys():
            odd = sorted(own.keys() ^ tensors.keys())
            raise ValueError(f"tensor {odd[0]} is missing or superfluous")
        for name, tensor in tensors.items():
            if tensor.shape != own[name].shape or tensor.dtype != own[name].dtype:
                raise ValueError(f"tensor {name} is {tensor.dtype} {tuple(tensor.shape)}")
        self.sums.copy_(tensors["sums"])
        for prefix, module in (("G", self.G), ("D", self.D), ("G_ema", self.G_ema)):
            module.load_state_dict(_below(tensors, prefix))
        for prefix, optimizer in (("g_optimizer", self.g_optimizer), ("d_optimizer", self.d_optimizer)):
            saved = _below(tensors, prefix)
            for name, moment in _moments(optimizer).items():
                moment.copy_(saved[name])
        for name in COUNTERS:
            setattr(self, name, counters[name])


def create_state(config: Config, shape: ImageShape, *, device: torch.device, statistics: int) -> TrainState:
    """Networks with fresh weights (from the seed, the same on every device) and optimizers that have taken no step."""
    seed = config.training.seed
    G = build_generator(config.generator, shape, seed=seed)
    D = build_discriminator(config.discriminator, shape, seed=seed)
    for module in (G, D):
        module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    G_ema = copy.deepcopy(G).eval().requires_grad_(False)
    precise = torch.float32 if device.type == "mps" else torch.float64
    return TrainState(
        G=G,
        D=D,
        G_ema=G_ema,
        g_optimizer=_adam(G, config.optimizer, lr=config.optimizer.g_lr),
        d_optimizer=_adam(D, config.optimizer, lr=config.optimizer.d_lr),
        sums=torch.zeros(statistics + 1, dtype=precise, device=device),
    )


def set_learning_rate(optimizer: torch.optim.Adam, rate: float) -> None:
    """Set it where the optimizer's next step looks: in a plain number, or on a CUDA device in a tensor there."""
    group = optimizer.param_groups[0]
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _adam(module: torch.nn.Module, config: OptimizerConfig, *, lr: float) -> torch.optim.Adam:
    """Adam whose moments exist from the start, so that a checkpoint of step 0 has the same tensors as any other.

    On a CUDA device the learning rate lies there, too: a captured step reads it anew at every replay.
    """
    parameters = list(module.parameters())
    device = parameters[0].device
    on_cuda = device.type == "cuda"
    optimizer = torch.optim.Adam(
        parameters,
        lr=torch.tensor(lr, device=device) if on_cuda else lr,
        betas=(config.beta1, config.beta2),
        eps=config.eps,
        fused=True,
        capturable=on_cuda,
    )
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }
    return optimizer


def _moments(optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    parameters = optimizer.param_groups[0]["params"]
    return {
        f"{index}/{name}": optimizer.state[parameter][name]
        for index, parameter in enumerate(parameters)
        for name in ADAM_MOMENTS
    }


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    start = f"{prefix}/"
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
