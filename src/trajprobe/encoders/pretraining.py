"""The pretraining of the embedded default: a video tokenizer learns to reconstruct unlabelled clips.

As in MAGVIT-v2 (Yu et al., arXiv 2310.05737, section 3.1) and Open-MAGVIT2 (Luo et al., arXiv 2409.04410, section
3.1) each latent channel is quantised to its sign, without a codebook to look up; the gradient passes straight
through. The loss is the reconstruction error, a commitment of the latents to their codes, and the entropy terms of
those papers; what a tokenizer needs beyond that to make sharp pictures (perceptual and adversarial terms) is left
out. Seed, steps and threads are fixed by the card, so the same machine gives the same bytes.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import softplus

from trajprobe import files
from trajprobe.encoders.magvit2_decoder import Magvit2Decoder
from trajprobe.encoders.magvit2_model import Architecture, Magvit2Encoder, bits
from trajprobe.encoders.open_magvit2 import model_input
from trajprobe.encoders.pretraining_clips import pretraining_clips
from trajprobe.params.encoder_card import Input, Recipe
from trajprobe.progress import progress

COMMITMENT = 0.025  # weight of the latents' distance to their codes
ENTROPY = 0.05  # weight of the entropy terms
WARM_UP = 20  # steps to the full learning rate; from there a cosine to zero
CLIP = 1.0  # norm of the gradient


def pretrain(architecture: Architecture, expected: Input, recipe: Recipe, target: Path) -> dict[str, object]:
    """Train from scratch, write the encoder's tensors to the safetensors file `target`, return the provenance."""
    with _fixed(recipe.threads, recipe.seed):
        encoder = Magvit2Encoder(architecture)
        decoder = Magvit2Decoder(architecture)
        errors = _train(encoder, decoder, expected, recipe)
    tensors = {name: tensor.contiguous() for name, tensor in encoder.state_dict().items()}
    save_file(tensors, target)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    unexplained = sum(errors[-10:]) / len(errors[-10:])
    return {
        "summary": f"{len(tensors)} of {len(tensors)} tensors, {parameters / 1e6:.2f} M parameters, pretrained here "
        f"in {recipe.steps} steps of {recipe.batch} clips",
        "source": "recipe",
        "recipe": recipe.model_dump(),
        "unexplained_variance": round(unexplained, 4),
        "parameters": parameters,
        "torch": torch.__version__,
        "weights_sha256": files.sha256(target),
    }


def unexplained(decoded: Tensor, videos: Tensor) -> Tensor:
    """The reconstruction error as a share of the variance of the videos, both (B, 3, T, H, W).

    The mean of each colour over a clip is left out: backgrounds would outweigh all that is drawn on them.
    """
    return _centred(decoded - videos).square().mean() / _centred(videos).square().mean()


def _centred(videos: Tensor) -> Tensor:
    return videos - videos.mean(dim=(2, 3, 4), keepdim=True)


def quantise(latent: Tensor) -> Tensor:
    """-1 or 1 by the sign of each channel; the gradient passes as if nothing had been done."""
    code = torch.where(bits(latent), 1.0, -1.0)
    return latent + (code - latent).detach()


def entropy_penalty(latent: Tensor) -> Tensor:
    """Mean over the bits of E[H(p)] - H(E[p]) in nats, p the probability of a 1 (MAGVIT-v2, eq. 4).

    Small when each position is sure of its bit and the bits are used evenly. p follows from the squared distances to
    1 and -1. The second term takes bits as independent: an upper bound of the joint entropy over all codes.
    """
    logit = 4 * latent
    chance = torch.sigmoid(logit)
    each = (
        softplus(logit) - logit * chance
    )  # H(p), whose gradient stays finite where p is 1 to the last digit
    used = chance.mean(dim=(0, 2, 3, 4)).clamp(1e-6, 1 - 1e-6)
    evenness = torch.special.entr(used) + torch.special.entr(1 - used)
    return each.mean() - evenness.mean()


def _train(encoder: Magvit2Encoder, decoder: Magvit2Decoder, expected: Input, recipe: Recipe) -> list[float]:
    """Train both in place; the reconstruction error of each step."""
    parameters = [*encoder.parameters(), *decoder.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=recipe.learning_rate, betas=(0.9, 0.99))
    errors = []
    with progress("pretraining", recipe.steps, "steps") as advance:
        for step in range(recipe.steps):
            clips = pretraining_clips(recipe.seed, step * recipe.batch, recipe.batch, recipe.frames)
            videos = model_input(torch.from_numpy(clips), expected)
            latent = encoder(videos)
            codes = quantise(latent)
            error = unexplained(decoder(codes), videos)
            commitment = (latent - codes.detach()).square().mean()
            loss = error + COMMITMENT * commitment + ENTROPY * entropy_penalty(latent)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, CLIP)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * _schedule(step, recipe.steps)
            optimizer.step()
            errors.append(error.item())
            advance(1, f"unexplained variance {errors[-1]:.3f}")
    return errors


def _schedule(step: int, steps: int) -> float:
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


@contextmanager
def _fixed(threads: int, seed: int) -> Iterator[None]:
    """On so many threads and from this seed; both as they were afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
