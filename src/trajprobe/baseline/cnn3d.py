"""`cnn3d`: a small 3-D convolutional network, trained from scratch on the clips of the training part.

Four convolutions over time, height and width, each with group norm and rectified units and each at half the resolution
of the one before (the last two also in time), the mean over the clip, and a linear layer: the scheme of C3D (Tran et
al., Learning spatiotemporal features with 3D convolutional networks, ICCV 2015) at a size that a few hundred clips can
train. Group norm, because the running statistics of a batch norm lag behind in a training of a few hundred steps. The
first inner fold of the probe tells when to stop.

All clips are in memory, downsampled: 35 kB each for 5 frames of 48 pixels.
"""

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import nn

from trajprobe.artifacts.clips import Clips
from trajprobe.artifacts.predictions import Arm
from trajprobe.baseline import early_stopping
from trajprobe.baseline.early_stopping import fit_network, network_probabilities
from trajprobe.baseline.learner import Fit, Learner, array_digest, source_digests, train_everywhere
from trajprobe.baseline.params import HOW_OFTEN, Cnn3dParams
from trajprobe.baseline.task import BASELINE, Outcome, Task
from trajprobe.core.costs import stopwatch
from trajprobe.core.torch_threads import torch_threads
from trajprobe.encoders.registry import resolve_device
from trajprobe.extract.clip_cost import multiply_adds
from trajprobe.probe.folds import Split

STRIDES = ((1, 2, 2), (1, 2, 2), (2, 2, 2), (2, 2, 2))
GROUPS = 8  # of a normalisation, at most
CLIPS_AT_ONCE = 256  # read and downsampled


class SmallCnn3d(nn.Module):
    """(B, T, H, W, 3) uint8 -> (B, K) logits; channels: of the first layer, doubled by each of the next."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        widths = [3, *(channels * 2**level for level in range(len(STRIDES)))]
        layers: list[nn.Module] = []
        for before, after, stride in zip(widths[:-1], widths[1:], STRIDES, strict=True):
            layers += [
                nn.Conv3d(before, after, 3, stride, 1, bias=False),
                nn.GroupNorm(math.gcd(GROUPS, after), after),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)
        self.classify = nn.Linear(widths[-1], n_classes)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        x = clips.permute(0, 4, 1, 2, 3).float() / 127.5 - 1
        return self.classify(self.layers(x).mean(dim=(2, 3, 4)))


class Cnn3dLearner(Learner):
    """clips: (N, T, h, w, 3) uint8."""

    def __init__(
        self,
        clips: np.ndarray,
        y: np.ndarray,
        groups: np.ndarray,
        n_classes: int,
        settings: Cnn3dParams,
        device: str = "cpu",
    ) -> None:
        self.clips, self.y, self.groups, self.n_classes = clips, y, groups, n_classes
        self.settings, self.device = settings, device
        decisive = settings.model_dump(exclude=HOW_OFTEN)
        self.identity = {
            "cnn3d": decisive,
            "clips": array_digest(clips),
            "classes": n_classes,
            "code": source_digests(__file__, early_stopping.__file__),
            "libraries": [torch.__version__, np.__version__],
            "device": torch.device(device).type,
        }

    def fit(self, train: np.ndarray, test: np.ndarray, inner: Sequence[Split], seed: int) -> Fit:
        clock, device = stopwatch(self.device), torch.device(self.device)
        start = clock()
        own, held_out = (train[positions] for positions in inner[0]) if inner else (train, train[:0])
        with torch_threads(1):
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                model = SmallCnn3d(self.settings.channels, self.n_classes).to(device)
            fit_network(model, self.clips, self.y, own, held_out, self.settings, seed, device)
            trained = clock()
            probability = network_probabilities(model, self.clips, test, device)
        tested = clock()
        parameters = sum(parameter.numel() for parameter in model.parameters())
        return Fit(probability, trained - start, (tested - trained) / len(test), parameters, 4 * parameters)


def shrunk_clips(clips: Clips, pixels: int) -> np.ndarray:
    """(N, T, h, w, 3) uint8: all clips with sides of at most `pixels`, each pixel the mean of the area it covers."""
    total, frames, height, width, _ = clips.shape
    side = (min(width, pixels), min(height, pixels))
    small = np.empty((total, frames, side[1], side[0], 3), np.uint8)
    for start in range(0, total, CLIPS_AT_ONCE):
        for own, clip in zip(
            small[start : start + CLIPS_AT_ONCE], clips[start : start + CLIPS_AT_ONCE], strict=True
        ):
            own[:] = [cv2.resize(frame, side, interpolation=cv2.INTER_AREA) for frame in clip]
    return small


def train_cnn3d(task: Task) -> Outcome:
    """The outcome of `cnn3d`: an arm for each seed."""
    settings = task.settings.cnn3d
    learner = Cnn3dLearner(
        shrunk_clips(task.clips(), settings.pixels),
        task.inputs.y,
        task.groups,
        task.n_classes,
        settings,
        str(resolve_device(task.device)),
    )
    arms = [Arm(task.name, BASELINE, init) for init in range(settings.seeds)]
    model = SmallCnn3d(settings.channels, task.n_classes)
    count = multiply_adds(lambda: model(torch.from_numpy(learner.clips[:1])))
    metadata = {"settings": settings.model_dump(), "multiply_adds": count}
    learners = [learner] * len(arms)
    return train_everywhere(task, learners, arms, settings.split_halves, metadata, settings.repeats)
