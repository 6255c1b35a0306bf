"""Tiny checkpoints of every architecture that a card names, in the form of the published ones: with heads, decoders and
text towers, with the old tensor names of older files, and with the same kind of processor configuration.
"""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file, save_file

from trajprobe.artifacts.encoder_card import EncoderCard

BLOCKS = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
SIDE = 32  # pixels, 2 x 2 patches
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
CLIP = {"image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711]}
HALVES = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
RESIZED = {"do_resize": True, "size": {"shortest_edge": SIDE}}
CROPPED = {"do_center_crop": True, "crop_size": {"height": SIDE, "width": SIDE}}
SCALED = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}


def _vision(**more: Any) -> dict[str, Any]:
    return {"image_size": SIDE, "patch_size": 16, **BLOCKS, **more}


def _videomae() -> Any:
    config = transformers.VideoMAEConfig(
        **_vision(num_frames=16, tubelet_size=2, use_mean_pooling=False),
        decoder_num_attention_heads=2,
        decoder_hidden_size=8,
        decoder_num_hidden_layers=1,
        decoder_intermediate_size=16,
    )
    return transformers.VideoMAEForPreTraining(config)


def _clip() -> Any:
    text = {"vocab_size": 99, **BLOCKS}
    return transformers.CLIPModel(
        transformers.CLIPConfig(vision_config=_vision(), text_config=text, projection_dim=8)
    )


def _xclip() -> Any:
    vision = _vision(
        num_frames=8,
        mit_hidden_size=16,
        mit_intermediate_size=32,
        mit_num_hidden_layers=1,
        mit_num_attention_heads=2,
    )
    text = {"vocab_size": 99, **BLOCKS}
    return transformers.XCLIPModel(
        transformers.XCLIPConfig(
            vision_config=vision, text_config=text, projection_dim=16, prompt_num_attention_heads=2
        )
    )


def _siglip() -> Any:
    text = {"vocab_size": 99, "projection_size": 16, **BLOCKS}
    return transformers.SiglipModel(transformers.SiglipConfig(vision_config=_vision(), text_config=text))


def _vivit() -> Any:
    config = transformers.VivitConfig(image_size=SIDE, num_frames=32, tubelet_size=[2, 16, 16], **BLOCKS)
    return transformers.VivitForVideoClassification(config)


def _timesformer() -> Any:
    return transformers.TimesformerForVideoClassification(
        transformers.TimesformerConfig(**_vision(num_frames=8))
    )


def _vjepa2() -> Any:
    config = transformers.VJEPA2Config(
        crop_size=SIDE,
        patch_size=16,
        frames_per_clip=64,
        tubelet_size=2,
        hidden_size=24,
        num_attention_heads=2,
        num_hidden_layers=2,
        mlp_ratio=2,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=1,
        pred_num_mask_tokens=1,
        # At a width of 24 the published 0.02 makes attention uniform to the last digit, and the model insensitive to
        # the order of frames; at the published width of 1024 it does not.
        initializer_range=0.3,
    )
    return transformers.VJEPA2Model(config)


def _dinov2() -> Any:
    blocks = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2}
    return transformers.Dinov2Model(transformers.Dinov2Config(image_size=SIDE, patch_size=16, **blocks))


def _videoprism() -> Any:
    config = transformers.VideoPrismVisionConfig(
        image_size=SIDE,
        num_frames=16,
        tubelet_size=[1, 16, 16],
        num_spatial_layers=2,
        num_temporal_layers=1,
        hidden_size=16,
        num_attention_heads=2,
        intermediate_size=32,
    )
    return transformers.VideoPrismVisionModel(config)


# card -> the published model
MODELS = {
    "videomae_base": _videomae,
    "videomae_large": _videomae,
    "clip_vit_b32": _clip,
    "vjepa2_vitl": _vjepa2,
    "timesformer_k400": _timesformer,
    "vivit_k400": _vivit,
    "xclip_b32": _xclip,
    "dinov2_base": _dinov2,
    "siglip2_base": _siglip,
    "videoprism_base": _videoprism,
}
VIDEOMAE = {"image_processor_type": "VideoMAEImageProcessor", "resample": 2, **RESIZED, **CROPPED, **SCALED}
PROCESSORS: dict[str, dict[str, Any]] = {
    "videomae_base": {**VIDEOMAE, **IMAGENET},
    "videomae_large": {**VIDEOMAE, **IMAGENET},
    "timesformer_k400": {**VIDEOMAE, "image_mean": [0.45, 0.45, 0.45], "image_std": [0.225, 0.225, 0.225]},
    "xclip_b32": {**VIDEOMAE, **IMAGENET},
    "clip_vit_b32": {  # an old file: sizes are bare numbers, scaling is not mentioned
        "feature_extractor_type": "CLIPFeatureExtractor",
        "do_center_crop": True,
        "crop_size": SIDE,
        "do_resize": True,
        "size": SIDE,
        "resample": 3,
        "do_normalize": True,
        **CLIP,
    },
    "vjepa2_vitl": {
        "video_processor_type": "VJEPA2VideoProcessor",
        "resample": 2,
        "do_resize": True,
        "size": {"shortest_edge": 36},
        **CROPPED,
        **SCALED,
        **IMAGENET,
    },
    "vivit_k400": {
        "image_processor_type": "VivitImageProcessor",
        "resample": 2,
        "do_resize": True,
        "size": {"shortest_edge": 36},
        "offset": True,
        **CROPPED,
        **SCALED,
        "rescale_factor": 1 / 127.5,
        **HALVES,
    },
    "dinov2_base": {
        "image_processor_type": "BitImageProcessor",
        "resample": 3,
        "do_resize": True,
        "size": {"shortest_edge": 36},
        **CROPPED,
        **SCALED,
        **IMAGENET,
    },
    "siglip2_base": {
        "image_processor_type": "SiglipImageProcessor",
        "resample": 2,
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        **SCALED,
        **HALVES,
    },
    "videoprism_base": {
        "video_processor_type": "LlavaOnevisionVideoProcessor",
        "resample": 3,
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": False,
    },
}


# A card of a user, which needs no code here.
ELEVENTH = """\
name: eleventh
summary: ResNet-18 of transformers, a convolutional network, which no card of the repository names
family: transformers
architecture: {unused: [classifier]}
weights: {hub: someone/resnet}
training: none
licence: none
input: {frames: any, size: 32, scale: processor}
features: {layer: pooled, pooling: [per_frame, delta]}
"""
ELEVENTH_PROCESSOR = {  # as microsoft/resnet-18 has it: crop_pct resizes to 36 pixels and cuts 32 out
    "feature_extractor_type": "ConvNextFeatureExtractor",
    "crop_pct": 0.875,
    "do_normalize": True,
    "do_resize": True,
    "resample": 3,
    "size": SIDE,
    **IMAGENET,
}


def publish_eleventh(folder: Path) -> Any:
    """Write the checkpoint that ELEVENTH names into `folder`, and return the model."""
    with silent(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        )
        model = transformers.ResNetForImageClassification(config).eval()
        model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(ELEVENTH_PROCESSOR))
    return model


def publish(name: str, folder: Path, seed: int = 0) -> Path:
    """Write a tiny checkpoint for the card `name` into `folder`, every number drawn at random; returns the folder."""
    with silent(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MODELS[name]()
        for parameter in model.parameters():  # training does not leave zeros or ones
            parameter.data.normal_(0, 0.3)
        model.save_pretrained(folder)
    file = folder / "model.safetensors"
    tensors = load_file(file)
    # Saved by transformers 4, see https://github.com/huggingface/transformers/pull/48675.
    if name.startswith("videomae"):
        old = {"attention.query.bias": "attention.q_bias", "attention.value.bias": "attention.v_bias"}
        for new, before in old.items():
            tensors = {key.replace(new, before): value for key, value in tensors.items()}
        save_file(tensors, file)
    if name == "clip_vit_b32":  # published as a pickle only, with indices that newer models compute
        tensors["vision_model.embeddings.position_ids"] = torch.arange(5)[None]
        tensors["text_model.embeddings.position_ids"] = torch.arange(77)[None]
        torch.save(tensors, folder / "pytorch_model.bin")
        file.unlink()
    kind = (
        "video_preprocessor_config.json"
        if name in ("vjepa2_vitl", "videoprism_base")
        else "preprocessor_config.json"
    )
    (folder / kind).write_text(json.dumps(PROCESSORS[name]))
    return folder


def tiny(card: EncoderCard, weights: dict[str, Any], **changes: Any) -> EncoderCard:
    """The card with tiny pictures and other weights."""
    content = card.model_dump()
    content["input"]["size"] = SIDE
    content["weights"] = weights
    for section, values in changes.items():
        content[section] = {**content[section], **values}
    return EncoderCard.model_validate(content)


@contextmanager
def silent() -> Iterator[None]:
    """Without the library's log and progress bars."""
    logging.disable(logging.WARNING)
    bars = transformers.utils.logging.is_progress_bar_enabled()
    transformers.utils.logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        if bars:
            transformers.utils.logging.enable_progress_bar()
