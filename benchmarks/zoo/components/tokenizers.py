"""Tokenizers made in memory: the words of `benchmarks.zoo.words` whole, everything else character by character.

Special tokens have fixed ids (the first ones, or for CLIP the last two), because model configurations and
pipelines name them by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers, trainers
from tokenizers.models import BPE

from benchmarks.zoo.words import COMMON_WORDS, TEMPLATE_WORDS

VOCABULARY_SIZE = 2000
CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] %}{{ part['text'] if part['type'] == 'text' else "
    "'<|vision_start|><|image_pad|><|vision_end|>' }}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<think>",
    "</think>",
)
LLAMA_SPECIAL = ("<unk>", "<s>", "</s>", "<pad>")
GEMMA_SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>", "<end_of_turn>")


def _words() -> list[str]:
    return list(dict.fromkeys((TEMPLATE_WORDS + COMMON_WORDS).split()))


def _trained(prototype: Any, suffix: str = "", splitter: Any = None) -> tuple[list[str], list[tuple[str, str]]]:
    """Learn pieces and merges until each word is one piece, with the prototype's own way of splitting."""
    backend = prototype.backend_tokenizer
    learner = Tokenizer(BPE())
    if backend.normalizer is not None:
        learner.normalizer = backend.normalizer
    learner.pre_tokenizer = splitter or backend.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        # Named beforehand, or the trainer numbers the endings in another order in every process.
        special_tokens=[f"{letter}{suffix}" for letter in alphabet] if suffix else [],
        vocab_size=VOCABULARY_SIZE - 300,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=[] if splitter else alphabet,
        end_of_word_suffix=suffix,
    )
    learner.train_from_iterator([f"{word} {word} system\nuser\nassistant\n" for word in _words()], trainer)
    model = json.loads(learner.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].__getitem__), [tuple(pair) for pair in model["merges"]]


def _numbered(pieces: list[str], first: tuple[str, ...] = (), last: tuple[str, ...] = ()) -> dict[str, int]:
    distinct = list(dict.fromkeys([*first, *pieces]))
    fill = VOCABULARY_SIZE - len(last) - len(distinct)
    if fill < 0:
        raise ValueError(f"vocabulary holds {len(distinct)} pieces, {-fill} more than VOCABULARY_SIZE allows")
    return {piece: index for index, piece in enumerate([*distinct, *(f"<free{i}>" for i in range(fill)), *last])}


@cache
def _clip_pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    from transformers import CLIPTokenizer

    pieces, merges = _trained(CLIPTokenizer(), suffix="</w>")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    endings = [f"{letter}</w>" for letter in sorted(alphabet)]
    return _numbered([*pieces, *endings], last=("<|startoftext|>", "<|endoftext|>")), merges


def clip() -> Any:
    from transformers import CLIPTokenizer

    vocabulary, merges = _clip_pieces()
    return CLIPTokenizer(vocab=dict(vocabulary), merges=list(merges), model_max_length=77)


@cache
def _qwen_pieces() -> tuple[dict[str, int], list[tuple[str, str]]]:
    from transformers import Qwen2Tokenizer

    pieces, merges = _trained(Qwen2Tokenizer())
    return _numbered(pieces, first=QWEN_SPECIAL), merges


def qwen() -> Any:
    from transformers import Qwen2Tokenizer

    vocabulary, merges = _qwen_pieces()
    return Qwen2Tokenizer(
        vocab=dict(vocabulary),
        merges=list(merges),
        model_max_length=4096,
        additional_special_tokens=list(QWEN_SPECIAL[1:8]),
        chat_template=CHAT_TEMPLATE,
    )


def _scored_pieces() -> list[tuple[str, float]]:
    words = _words()
    letters = sorted({letter for word in words for letter in word} | set("0123456789.,:;!?'\"-()"))
    return [("▁", -4.0), *((f"▁{word}", -1.0) for word in words), *((letter, -3.0) for letter in letters)]


def t5(length: int = 512) -> Any:
    from transformers import T5Tokenizer

    special = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return T5Tokenizer(vocab=special + _scored_pieces(), extra_ids=0, model_max_length=length)


@cache
def _spaced_pieces(first: tuple[str, ...]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    from transformers import GemmaTokenizer

    splitter = pre_tokenizers.Split(pattern="▁", behavior="merged_with_next")
    pieces, merges = _trained(GemmaTokenizer(), splitter=splitter)
    return _numbered([*(f"<0x{byte:02X}>" for byte in range(256)), *pieces], first=first), merges


def gemma(length: int = 4096) -> Any:
    from transformers import GemmaTokenizer

    vocabulary, merges = _spaced_pieces(GEMMA_SPECIAL)
    return GemmaTokenizer(
        vocab=dict(vocabulary), merges=list(merges), model_max_length=length, chat_template=CHAT_TEMPLATE
    )


def llama(**extra: Any) -> Any:
    from transformers import LlamaTokenizer

    vocabulary, merges = _spaced_pieces(LLAMA_SPECIAL)
    return LlamaTokenizer(
        vocab=dict(vocabulary),
        merges=list(merges),
        pad_token="<pad>",
        model_max_length=4096,
        chat_template=CHAT_TEMPLATE,
        **extra,
    )


def bert() -> Any:
    from transformers import BertTokenizer

    words = [word.lower() for word in _words()]
    letters = sorted({letter for word in words for letter in word} | set("0123456789.,:;!?'-()"))
    special = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    pieces = [*words, *letters, *(f"##{letter}" for letter in letters)]
    return BertTokenizer(vocab=_numbered(pieces, first=special), model_max_length=77)


def chat_glm() -> Any:
    """A left-padding tokenizer that also gives positions, as Kolors takes it."""
    from transformers import LlamaTokenizer

    class PositionedTokenizer(LlamaTokenizer):
        def __call__(self, *arguments: Any, **options: Any) -> Any:
            encoded = super().__call__(*arguments, **options)
            encoded["position_ids"] = (encoded["attention_mask"].cumsum(-1) - 1).clamp(min=0)
            return encoded

    vocabulary, merges = _spaced_pieces(LLAMA_SPECIAL)
    return PositionedTokenizer(
        vocab=dict(vocabulary), merges=list(merges), pad_token="<pad>", padding_side="left", model_max_length=256
    )


def roberta() -> Any:
    from transformers import RobertaTokenizer

    pieces, merges = _trained(RobertaTokenizer())
    special = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
    return RobertaTokenizer(vocab=_numbered(pieces, first=special), merges=merges, model_max_length=77)


def xlm_roberta() -> Any:
    from transformers import XLMRobertaTokenizer

    special = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    return XLMRobertaTokenizer(vocab=[*special, *_scored_pieces(), ("<mask>", 0.0)], model_max_length=77)


BUILDERS: dict[str, Callable[[], Any]] = {
    "CLIPTokenizer": clip,
    "Qwen2Tokenizer": qwen,
    "T5Tokenizer": t5,
    "T5Tokenizer/77": lambda: t5(77),
    "LlamaTokenizer/padded-left": lambda: llama(padding_side="left"),
    "T5Tokenizer/25": lambda: t5(25),
    "GemmaTokenizer": gemma,
    "GemmaTokenizer/short": lambda: gemma(32),
    "LlamaTokenizer": llama,
    "BertTokenizer": bert,
    "RobertaTokenizer": roberta,
    "ChatGLMTokenizer": chat_glm,
    "XLMRobertaTokenizer": xlm_roberta,
}
