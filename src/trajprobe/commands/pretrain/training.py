"""The training loop: an encoder and its decoder from scratch, in steps that a killed run can continue.

Nothing random happens after the initialisation, and the clips of a step follow from its number. A checkpoint of the
networks, the optimizer and the log is therefore the whole state: on the same machine kind, a resumed run ends with the
same bytes as one that was never interrupted.
"""

import csv
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trajprobe.artifacts.encoder_card import Input
from trajprobe.commands.pretrain.objective import Magvit2Decoder, losses, reconstruct, unexplained
from trajprobe.commands.pretrain.recipe import Recipe
from trajprobe.commands.pretrain.unlabelled_clips import HELD_OUT
from trajprobe.core import files
from trajprobe.core.errors import UserError
from trajprobe.core.progress import progress
from trajprobe.core.torch_threads import torch_threads
from trajprobe.encoders.open_magvit2.encoder import model_input
from trajprobe.encoders.open_magvit2.network import Architecture, Magvit2Encoder

WARM_UP = 20  # steps to the full learning rate; from there a cosine to zero
CLIP = 1.0  # norm of the gradient
CHECKPOINT = 50  # steps between two checkpoints, each a row of the log
HELD_OUT_CLIPS = 32
# Clips `start` to `start + count` of a sequence, (count, T, S, S, 3) uint8: training reads from 0 upwards, and from
# HELD_OUT on come clips that it never reads, perhaps fewer than asked for.
Draw = Callable[[int, int], np.ndarray]


@dataclass
class Log:
    """What has happened so far. rows: one a checkpoint; clips: SHA-256 chain over the bytes of every batch."""

    step: int = 0
    seconds: float = 0.0
    clips: str = ""
    rows: list[dict[str, float]] = field(default_factory=list)


class Training:
    """Networks, optimizer and log of one pretraining; `run` brings them to the recipe's last step."""

    def __init__(
        self, architecture: Architecture, expected: Input, recipe: Recipe, folder: Path, draw: Draw
    ) -> None:
        """expected: the card's input. folder: where the checkpoint and the log are written. draw: the clips."""
        self.recipe, self.folder, self.draw = recipe, folder, draw
        self.expected = expected.model_copy(update={"frames": "any"})  # `recipe.check` has seen the frames
        self.device = torch.device(recipe.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.encoder = Magvit2Encoder(architecture).to(self.device)
            self.decoder = Magvit2Decoder(architecture).to(self.device)
        self.parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, lr=recipe.learning_rate, betas=(0.9, 0.99))
        self.log = Log()

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def run(self, name: str) -> None:
        """Train to the end. name: of the encoder, for the progress bar."""
        held_out = self.videos(HELD_OUT, HELD_OUT_CLIPS)
        recent: list[Tensor] = []
        start = time.monotonic() - self.log.seconds
        with (
            torch_threads(self.recipe.threads),
            progress(f"pretraining {name}", self.recipe.steps, "steps") as advance,
        ):
            advance(self.log.step)
            if not self.recipe.steps:
                error = self.error(held_out)
                self.log.rows = [
                    {"step": 0, "loss": math.nan, "unexplained_variance": math.nan, "held_out": error}
                ]
                self._save()
            while self.log.step < self.recipe.steps:
                recent.append(self._step())
                note = f"loss {float(recent[-1][0]):.3f}"
                if self.log.step % CHECKPOINT == 0 or self.log.step == self.recipe.steps:
                    loss, error = torch.stack(recent).mean(0).tolist()
                    recent.clear()
                    row = {"step": self.log.step, "loss": loss, "unexplained_variance": error}
                    self.log.rows.append({**row, "held_out": self.error(held_out)})
                    self.log.seconds = time.monotonic() - start
                    self._save()
                    note += f", held-out unexplained variance {self.log.rows[-1]['held_out']:.3f}"
                advance(1, note)

    def error(self, videos: Tensor) -> float:
        """The unexplained variance of videos (B, 3, T, H, W), a batch at a time."""
        with torch.inference_mode():
            decoded = [
                reconstruct(self.encoder, self.decoder, part) for part in videos.split(self.recipe.batch)
            ]
            return float(unexplained(torch.cat(decoded), videos))

    def videos(self, start: int, count: int) -> Tensor:
        """(count, 3, T, H, W) float32: clips of the sequence from `start`, as the encoder is fed them."""
        clips = self.draw(start, count)
        if start < HELD_OUT:
            self.log.clips = hashlib.sha256(self.log.clips.encode() + clips.tobytes()).hexdigest()
        return model_input(torch.from_numpy(clips).to(self.device), self.expected)

    def _step(self) -> Tensor:
        """(2,): loss and unexplained variance before the step."""
        batch = self.recipe.batch
        loss, error = losses(self.encoder, self.decoder, self.videos(self.log.step * batch, batch))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, CLIP)
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * schedule(self.log.step, self.recipe.steps)
        self.optimizer.step()
        self.log.step += 1
        return torch.stack([loss.detach(), error.detach()])

    def resume(self) -> None:
        """Continue at the checkpoint, if there is one. Raises UserError if it is damaged or of another recipe."""
        if not self.checkpoint.exists():
            return
        try:
            state = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
            ours, theirs = self.recipe.model_dump(), dict(state["recipe"])
        except Exception as error:
            raise UserError(
                f"{self.checkpoint}: cannot be read ({type(error).__name__}); delete it and start without --resume"
            ) from None
        for key in ours:
            if ours[key] != theirs.get(key):
                raise UserError(
                    f"{self.checkpoint}: {key} was {theirs.get(key)} when it was written and is {ours[key]} now; "
                    "resume with the same settings, or delete it and start without --resume"
                )
        try:
            self.encoder.load_state_dict(state["encoder"])
            self.decoder.load_state_dict(state["decoder"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError):
            raise UserError(
                f"{self.checkpoint}: is of another architecture than the card has now; resume with the same card, or "
                "delete it and start without --resume"
            ) from None
        self.log = Log(**state["log"])

    def _save(self) -> None:
        state = {
            "recipe": self.recipe.model_dump(),
            "encoder": self.encoder.state_dict(),
            "decoder": self.decoder.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "log": asdict(self.log),
        }
        with files.atomic(self.checkpoint) as temporary:
            torch.save(state, temporary)
        with files.atomic(self.folder / "log.csv") as temporary, temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(self.log.rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows({key: f"{value:.6g}" for key, value in row.items()} for row in self.log.rows)


def schedule(step: int, steps: int) -> float:
    """The share of the learning rate at `step`: a linear warm-up, then a cosine to zero."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))
