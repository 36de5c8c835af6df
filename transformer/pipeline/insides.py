"""What a network has learned above and between the places where it was recorded, as arrays for `analysis.shares`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from transformer.analysis.shares import Affine, Answer, Block, Curve, Normed, Part
from transformer.config import NAMED, OF_TEXTS, ModelConfig, Norm, Stack, present
from transformer.formulas.activations import ACTIVATIONS
from transformer.trace import Kind

Chosen = Sequence[int] | slice  # of the answers


def stack_of(config: ModelConfig) -> Stack:
    """The stack that answers."""
    return present(config.decoder or config.encoder, "a stack of blocks")


def blocks_of(network: Any) -> list[Block]:
    """The blocks of the stack that answers."""
    stack = stack_of(network.config)
    decodes = network.config.decoder is not None
    found = []
    for block in (network.decoder if decodes else network.encoder).blocks:
        own: Kind = "decoder" if decodes else "encoder"
        outputs = {own: _affine(block.self_attention.output_projection)}
        if stack.cross:
            outputs["cross"] = _affine(block.cross_attention.output_projection)
        norms = {name: _normed(layer, stack.norm) for name, layer in block.norms.items()}
        bias = block.feed_forward.contract.bias
        found.append(Block(norms, outputs, None if bias is None else np.asarray(bias)))
    return found


def answering(network: Any) -> Callable[[Chosen], Answer]:
    """What stands above that stack, with some of its answers alone: tables of tokens are large.

    Raises:
        ValueError: a network that answers in another way than by tokens, classes, labels or numbers.
    """
    config = network.config
    task, stack = config.task, stack_of(config)
    top = (network.decoder if config.decoder else network.encoder).norm
    last = _normed(top, stack.norm) if top else None
    if task.kind == "tokens":
        scores = _logits(network.output_projection)
        return lambda chosen: Answer(last, scores(chosen))
    if task.kind == "masked_tokens":
        head = network.head
        scores = _logits(head.logits)
        first: list[Part] = [
            _affine(head.transform),
            Curve(ACTIVATIONS[stack.feed_forward.activation]),
            _normed(head.norm, stack.norm),
        ]
        return lambda chosen: Answer(last, [*first, *scores(chosen)])
    if task.kind not in NAMED:
        raise ValueError(
            f"expected a network that answers by tokens or classes, received one for {task.kind}"
        )
    pooled: list[Part] = []
    if network.pooler:
        pooled += [_affine(network.pooler), Curve(ACTIVATIONS[task.pooler_activation])]
    if network.pooler_norm:
        pooled.append(_normed(network.pooler_norm, stack.norm))
    classes = _affine(network.head)
    if task.kind == "replaced":  # that it was not scores 0
        bias = None if classes.bias is None else np.insert(classes.bias, 0, 0.0, -1)
        classes = Affine(np.insert(classes.kernel, 0, 0.0, -1), bias)
    pooling = task.pooling if task.kind in OF_TEXTS else ""
    return lambda chosen: Answer(last, [*pooled, _columns(classes, chosen)], pooling)


def _logits(layer: Any) -> Callable[[Chosen], list[Part]]:
    """From vectors to the scores of chosen tokens, by a `Logits`."""
    task = layer.config.task
    kernel = (
        np.asarray(layer.tokens.embeddings).T if task.tied else np.asarray(layer.kernel)
    )  # (D, V), no copy
    bias = np.asarray(layer.bias) if task.bias else None
    before: list[Part] = [_affine(layer.projection)] if layer.projection else []
    cap = task.softcap
    after: list[Part] = [Curve(lambda x: np.tanh(x / cap) * cap)] if cap else []

    def of(chosen: Chosen) -> list[Part]:
        columns = np.asarray(kernel[:, chosen], np.float64) * task.scale
        return [*before, Affine(columns, None if bias is None else bias[chosen]), *after]

    return of


def _columns(affine: Affine, chosen: Chosen) -> Affine:
    bias = None if affine.bias is None else np.asarray(affine.bias)[chosen]
    return Affine(np.asarray(affine.kernel)[:, chosen], bias)


def _affine(layer: Any) -> Affine:
    return Affine(np.asarray(layer.kernel), np.asarray(layer.bias) if layer.use_bias else None)


def _normed(layer: Any, norm: Norm) -> Normed:
    scale, shift = (getattr(layer, name, None) for name in ("gamma", "beta"))
    return Normed(norm, *(None if part is None else np.asarray(part) for part in (scale, shift)))
