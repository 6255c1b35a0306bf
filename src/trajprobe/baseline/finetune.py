"""`finetune`: the first of `encoders`, trained end to end from its pretrained weights and from random ones.

The frozen probe is where both start: the network is the encoder, its headline layer and pooling, and a linear layer
that at first is the probe of the frozen features (linear probing, then fine-tuning: Kumar et al., Fine-tuning can
distort pretrained features and underperform out-of-distribution, ICLR 2022). So at a learning rate of zero it *is* the
frozen probe, and what it gains is due to fine-tuning alone. The random arms start from the initialisations of the
stage `extract`, with the same budget.

The first inner fold tells how many epochs help, none included; then the network is trained again, on the whole training
part, for so many. Batch norms keep the statistics that they have, since those of a small batch would be others, and
dropout is off.

All clips are in memory as they are: 246 kB each for 5 frames of 128 pixels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline import early_stopping
from trajprobe.baseline.early_stopping import fit_network, network_probabilities
from trajprobe.baseline.frozen_encoder import FrozenEncoder, frozen_encoder
from trajprobe.baseline.learner import Fit, Learner, array_digest, source_digests, train_everywhere
from trajprobe.baseline.params import HOW_OFTEN, TrainingParams
from trajprobe.baseline.task import Outcome, Task
from trajprobe.core.costs import stopwatch
from trajprobe.core.errors import UserError
from trajprobe.core.torch_threads import torch_threads
from trajprobe.encoders.protocol import Encoder
from trajprobe.extract import pooling
from trajprobe.extract.extraction import EncoderArm, build_encoder
from trajprobe.probe import logistic, solver
from trajprobe.probe.folds import Split
from trajprobe.probe.logistic import fit_logistic


class ProbedEncoder(nn.Module):
    """(B, T, H, W, 3) uint8 -> (B, K) logits: an encoder, one layer and pooling of it, and a linear layer.

    features: (n, D) float32 of training items, whose mean and deviation give the linear layer its units.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self, encoder: Encoder, place: tuple[str, str], features: np.ndarray, n_classes: int
    ) -> None:
        super().__init__()
        self.encoder, self.place = encoder, place
        self.networks = nn.ModuleList(networks(encoder)).requires_grad_(True)
        deviation = features.std(axis=0, dtype=np.float64)
        varies = deviation > 0
        least = np.median(deviation[varies]) if varies.any() else 1.0
        self.register_buffer("mean", torch.from_numpy(features.mean(axis=0)))
        self.register_buffer("deviation", torch.from_numpy(np.maximum(deviation, least).astype(np.float32)))
        self.classify = nn.Linear(features.shape[1], n_classes)

    def train(self, mode: bool = True) -> "ProbedEncoder":
        """Stay in evaluation mode, for the sake of batch norms."""
        return super().train(False)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        layer, name = self.place
        features = pooling.pool(name, self.encoder.encode(clips, [layer])[layer])
        return self.classify((features - self.mean) / self.deviation)

    def start_from(self, probe: logistic.FittedLogistic) -> None:
        """Make the linear layer that of a probe of the frozen features."""
        weights = probe.axes.projection @ probe.coefficients[:-1].astype(np.float64)
        offset = probe.coefficients[-1] + (self.mean.numpy() - probe.axes.mean) @ weights
        with torch.no_grad():
            self.classify.weight.copy_(torch.from_numpy(weights).T * self.deviation)
            self.classify.bias.copy_(torch.from_numpy(offset))


def networks(encoder: object) -> list[nn.Module]:
    """The networks that an encoder holds: itself, or those among its attributes and their attributes."""
    if isinstance(encoder, nn.Module):
        return [encoder]
    held = list(vars(encoder).values())
    held += [
        inner
        for each in held
        if not isinstance(each, nn.Module)
        for inner in getattr(each, "__dict__", {}).values()
    ]
    return [each for each in held if isinstance(each, nn.Module)]


class FinetunedProbe(Learner):
    """clips: (N, T, H, W, 3) uint8. features: (N, D) of the frozen arm. l2_grid: of the probe, strong to weak."""

    def __init__(
        self,
        encoder: FrozenEncoder,
        arm: EncoderArm,
        clips: np.ndarray,
        features: np.ndarray,
        task: Task,
        settings: TrainingParams,
    ) -> None:
        self.place, self.layers, self.arm = encoder.place, encoder.settings.layers, arm
        self.clips, self.features, self.settings = clips, features, settings
        self.y, self.groups, self.n_classes = task.inputs.y, task.groups, task.n_classes
        self.l2_grid, self.device = task.inputs.l2_grid, str(encoder.settings.device)
        self.identity = {
            "finetune": settings.model_dump(exclude=HOW_OFTEN),
            "encoder": dict(encoder.settings.identity),
            "arm": dict(arm.identity),
            "clips": array_digest(clips),
            "classes": self.n_classes,
            "l2_grid": self.l2_grid.tolist(),
            "code": source_digests(__file__, early_stopping.__file__, logistic.__file__, solver.__file__),
        }

    def fit(self, train: np.ndarray, test: np.ndarray, inner: Sequence[Split], seed: int) -> Fit:
        clock, device = stopwatch(self.device), torch.device(self.device)
        start = clock()
        with torch_threads(1):
            epochs = None
            if inner:
                own, held_out = (train[positions] for positions in inner[0])
                trial = self._start(own, self._inner(own, [seed]))
                epochs = fit_network(trial, self.clips, self.y, own, held_out, self.settings, seed, device)
                del trial
            model = self._start(train, inner)
            none = train[:0]
            fit_network(model, self.clips, self.y, train, none, self.settings, seed, device, epochs)
            trained = clock()
            probability = network_probabilities(model, self.clips, test, device)
        tested = clock()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return Fit(probability, trained - start, (tested - trained) / len(test), parameters, 4 * parameters)

    def _start(self, train: np.ndarray, inner: Sequence[Split]) -> ProbedEncoder:
        """The frozen probe of the items `train` as a network."""
        rows = self.features[train]
        model = ProbedEncoder(build_encoder(self.arm, self.layers), self.place, rows, self.n_classes)
        model.start_from(fit_logistic(rows, self.y[train], self.n_classes, inner, self.l2_grid))
        return model.to(self.device)


def finetune_encoder(task: Task) -> Outcome:
    """The outcome of `finetune`: a pretrained and a random arm for each seed.

    Raises UserError if the encoder has no network, or its headline layer lets no gradient through.
    """
    encoder, settings = frozen_encoder(task), task.settings.finetune
    clips = task.clips()
    seeds = [task.settings.seed + init for init in range(settings.seeds)]
    pretrained, *random = encoder.arms(seeds, clips)
    _check_gradient(task, encoder, pretrained, clips[:1])
    features = encoder.features(task, [pretrained, *random], clips)
    everything = clips[: clips.shape[0]]
    learners = [
        FinetunedProbe(encoder, arm, everything, rows, task, settings)
        for arm, rows in zip([pretrained, *random], features, strict=True)
    ]
    learners = [learners[0]] * settings.seeds + learners[1:]
    arms = [
        Arm(task.name, kind, init, *encoder.place)
        for kind in ("pretrained", "random")
        for init in range(settings.seeds)
    ]
    metadata = {**encoder.metadata, "settings": settings.model_dump()}
    return train_everywhere(task, learners, arms, settings.split_halves, metadata, settings.repeats)


def _check_gradient(task: Task, encoder: FrozenEncoder, arm: EncoderArm, clip: np.ndarray) -> None:
    """Raise UserError unless the headline representation of `clip` (1, T, H, W, 3) can be differentiated."""
    model, (layer, name) = build_encoder(arm, encoder.settings.layers), encoder.place
    nn.ModuleList(networks(model)).requires_grad_(True)
    shown = torch.from_numpy(clip).to(encoder.settings.device)
    if not pooling.pool(name, model.encode(shown, [layer])[layer]).requires_grad:
        raise UserError(
            f"baselines: {task.name} needs an encoder that can be trained, and {layer} of {encoder.card.name} has "
            f"nothing to train; take another layer or encoder, or leave {task.name} out"
        )
