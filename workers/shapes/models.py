"""The parts of the demo model, all of them stock classes in small sizes, and how they start out.

The pipeline never masks padding and defaults to 512 text tokens. So nothing here lets padding reach a word: the
CLIP encoder is causal and reads the sentence up to its end token, and the attention of the T5 encoder is fixed
at zero, which leaves it a table of words. Word order reaches the transformer in the pooled CLIP vector.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, FluxTransformer2DModel
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import CLIPTextConfig, CLIPTextModel, PreTrainedTokenizerFast, T5Config, T5EncoderModel

from workers.shapes.captions import vocabulary
from workers.shapes.latents import CHANNELS

TEXT_WIDTH = 128
# The longest template has 12 words and the end token; at least one padding token must follow.
TEXT_TOKENS = 16
PADDING, UNKNOWN, START, END = "<pad>", "<unk>", "<start>", "<end>"
SHIFT = 3.0


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, lower case, punctuation ignored, an end token last."""
    words = (PADDING, UNKNOWN, START, END, *vocabulary())
    ids = {word: index for index, word in enumerate(words)}
    backend = Tokenizer(WordLevel(ids, unk_token=UNKNOWN))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(Regex(r"[^a-z]+"), " ")]
    )
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = TemplateProcessing(single=f"$A {END}", special_tokens=[(END, ids[END])])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=TEXT_TOKENS,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        bos_token=START,
        eos_token=END,
    )


def build_clip(tokenizer: PreTrainedTokenizerFast) -> CLIPTextModel:
    """A causal encoder whose pooled output is the state at the end token."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=TEXT_WIDTH,
            intermediate_size=2 * TEXT_WIDTH,
            projection_dim=TEXT_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=TEXT_TOKENS,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            # Must be the real id: with the library's default of 2, pooling would take the largest id instead.
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def build_t5(tokenizer: PreTrainedTokenizerFast) -> T5EncoderModel:
    """A word table behind the T5 interface: one layer whose attention writes nothing."""
    encoder = T5EncoderModel(
        T5Config(
            vocab_size=len(tokenizer),
            d_model=TEXT_WIDTH,
            d_ff=2 * TEXT_WIDTH,
            d_kv=32,
            num_layers=1,
            num_heads=4,
            dropout_rate=0.0,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )
    attention = encoder.encoder.block[0].layer[0]
    torch.nn.init.zeros_(attention.SelfAttention.o.weight)
    attention.requires_grad_(False)
    return encoder


def build_transformer() -> FluxTransformer2DModel:
    """Single-stream blocks that begin as the identity: only their output projections start at zero."""
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=CHANNELS * 4,
        num_layers=0,
        num_single_layers=6,
        attention_head_dim=48,
        num_attention_heads=3,
        joint_attention_dim=TEXT_WIDTH,
        pooled_projection_dim=TEXT_WIDTH,
        axes_dims_rope=(8, 20, 20),
    )
    for block in transformer.single_transformer_blocks:
        torch.nn.init.zeros_(block.proj_out.weight)
        torch.nn.init.zeros_(block.proj_out.bias)
        _open_gate(block.norm.linear)
    for layer in (transformer.norm_out.linear, transformer.proj_out):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    return transformer


def _open_gate(modulation: Any) -> None:
    """Shift and scale start at zero and the gate at one, whatever the text."""
    torch.nn.init.zeros_(modulation.weight)
    torch.nn.init.zeros_(modulation.bias)
    modulation.bias.data.chunk(3)[2].fill_(1.0)


def build_vae() -> AutoencoderKL:
    """Four times smaller, twelve channels; the decoder is trained, the encoder is written by `encoder.py`."""
    return AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(16, 32, 48),
        layers_per_block=2,
        latent_channels=CHANNELS,
        norm_num_groups=8,
        sample_size=64,
        scaling_factor=1.0,
        shift_factor=0.0,
        mid_block_add_attention=False,
    )


def build_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """Most steps where the shape is decided, near pure noise."""
    return FlowMatchEulerDiscreteScheduler(shift=SHIFT)
