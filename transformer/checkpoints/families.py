"""One table each for the families of published checkpoints: their settings as ours, their tensors as ours.

A row of a table says which tensor of theirs is which weight of ours, and how it is turned. `{}` stands for the number
of a layer. PyTorch keeps a linear layer as (out, in), we as (in, out), hence "transpose"; those of GPT-2 are (in, out)
already. Settings and names are those of Hugging Face transformers: models/{bert,roberta,distilbert,gpt2,marian,
whisper} in its source.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from transformer.config import NO_ID, ModelConfig

ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "silu": "silu",
    "swish": "silu",
}
SIDES = ("weight", "kernel", "transpose"), ("bias", "bias", "")
SCALES = ("weight", "gamma", ""), ("bias", "beta", "")


class Row(NamedTuple):
    """Their tensor, our weight, and what is done to it: "", "transpose", "first/3" (a third of the columns), "squeeze",
    or "convolution" (theirs is (out, in, taps), ours (taps, in, out))."""

    theirs: str
    ours: str
    change: str = ""


class Family(NamedTuple):
    """How a kind of checkpoint is read.

    prefix: what may stand before every name. settings: `config.json` and `generation_config.json` as one, and the names
    of the tensors -> our configuration. rows: our configuration -> the table. fixed: settings that we only know with
    this value. spare: beginnings of names that hold nothing this project uses (other heads, masks, position numbers).
    copies: names that repeat another tensor where they are there at all.
    """

    prefix: str
    settings: Callable[[Mapping[str, Any], Collection[str]], ModelConfig]
    rows: Callable[[ModelConfig], list[Row]]
    fixed: Mapping[str, Collection[Any]] = {}
    spare: tuple[str, ...] = ()
    copies: Mapping[str, str] = {}


def need(config: Mapping[str, Any], name: str, kind: type = int) -> Any:
    """A setting that must be there.

    Raises:
        ValueError: it is missing or of another type.
    """
    value = config.get(name)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise ValueError(f"expected {name} in config.json as {kind.__name__}, received {value!r}")
    return value


def activation(config: Mapping[str, Any], name: str) -> Any:
    """Our name of an activation."""
    theirs = config.get(name)
    if theirs not in ACTIVATIONS:
        raise ValueError(f"expected {name} to be one of {', '.join(ACTIVATIONS)}, received {theirs!r}")
    return ACTIVATIONS[theirs]


def token(config: Mapping[str, Any], name: str) -> int:
    """The id of a token, or that there is none; where several end a text, the first."""
    value = config.get(name)
    if isinstance(value, list) and value:
        value = value[0]
    return value if type(value) is int else NO_ID


def _dense(theirs: str, ours: str) -> list[Row]:
    return [Row(f"{theirs}.{a}", f"{ours}/{b}", change) for a, b, change in SIDES]


def _norm(theirs: str, ours: str) -> list[Row]:
    return [Row(f"{theirs}.{a}", f"{ours}/{b}", change) for a, b, change in SCALES]


# BERT, RoBERTa, DistilBERT


def _bert(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    roberta = config["model_type"] == "roberta"
    offset = need(config, "pad_token_id") + 1 if roberta else 0  # its first positions belong to padding
    return _encoder(
        config,
        names,
        layers=need(config, "num_hidden_layers"),
        width=need(config, "hidden_size"),
        heads=need(config, "num_attention_heads"),
        feed_forward=need(config, "intermediate_size"),
        norm_epsilon=need(config, "layer_norm_eps", float),
        activation=activation(config, "hidden_act"),
        token_types=need(config, "type_vocab_size"),
        position_offset=offset,
    )


def _distilbert(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    return _encoder(
        config,
        names,
        layers=need(config, "n_layers"),
        width=need(config, "dim"),
        heads=need(config, "n_heads"),
        feed_forward=need(config, "hidden_dim"),
        norm_epsilon=1e-12,  # not a setting there
        activation=activation(config, "activation"),
        token_types=0,
        position_offset=0,
    )


def _encoder(config: Mapping[str, Any], names: Collection[str], *, layers: int, **sizes: Any) -> ModelConfig:
    guesses = {"cls.predictions.bias", "lm_head.bias", "vocab_projector.bias"} & set(names)
    classes, names_of_classes = 0, tuple[str, ...]()
    if not guesses and {"classifier.weight", "classifier.out_proj.weight"} & set(names):
        labels = config.get("id2label") or {}
        if not isinstance(labels, dict) or not all(str(i) in labels for i in range(len(labels))):
            raise ValueError("expected id2label in config.json with a name for each class, received another")
        names_of_classes = tuple(str(labels[str(i)]) for i in range(len(labels)))
        classes = len(names_of_classes)
    pooled = {"pooler.dense.weight", "classifier.dense.weight"} & set(names)
    return ModelConfig(
        vocabulary=need(config, "vocab_size"),
        encoder_layers=layers,
        decoder_layers=0,
        max_source=need(config, "max_position_embeddings") - sizes["position_offset"],
        norm="post",
        positions="learned",
        embedding_norm=True,
        scale_embeddings=False,
        logits_bias=bool(guesses),
        tied_logits=config.get("tie_word_embeddings") is not False,
        output="masked_tokens" if guesses else "classes" if classes else "vectors",
        classes=classes,
        class_names=names_of_classes,
        pooler=bool(pooled) and not guesses,
        pad_id=token(config, "pad_token_id"),
        start_id=NO_ID,
        end_id=NO_ID,
        unknown_id=NO_ID,
        suppressed=(),
        **sizes,
    )


def _bert_rows(head: Callable[[ModelConfig], list[Row]]) -> Callable[[ModelConfig], list[Row]]:
    def rows(config: ModelConfig) -> list[Row]:
        block, ours = "encoder.layer.{}", "encoder/block_{}"
        table = [
            Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
            Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
            *_norm("embeddings.LayerNorm", "embedding/embedding_norm"),
        ]
        if config.token_types:
            table.append(Row("embeddings.token_type_embeddings.weight", "embedding/token_types/embeddings"))
        for part in ("query", "key", "value"):
            table += _dense(f"{block}.attention.self.{part}", f"{ours}/self_attention/{part}")
        table += _dense(f"{block}.attention.output.dense", f"{ours}/self_attention/output")
        table += _norm(f"{block}.attention.output.LayerNorm", f"{ours}/self_attention_norm")
        table += _dense(f"{block}.intermediate.dense", f"{ours}/feed_forward/expand")
        table += _dense(f"{block}.output.dense", f"{ours}/feed_forward/contract")
        table += _norm(f"{block}.output.LayerNorm", f"{ours}/feed_forward_norm")
        return table + head(config)

    return rows


def _bert_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *_dense("cls.predictions.transform.dense", "masked_tokens/transform"),
            *_norm("cls.predictions.transform.LayerNorm", "masked_tokens/norm"),
            Row("cls.predictions.bias", "masked_tokens/logits/bias"),
            *_untied(config, "cls.predictions.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    table = _dense("classifier", "classifier") if config.output == "classes" else []
    return table + (_dense("pooler.dense", "pooler") if config.pooler else [])


def _roberta_head(config: ModelConfig) -> list[Row]:
    if config.output == "masked_tokens":
        return [
            *_dense("lm_head.dense", "masked_tokens/transform"),
            *_norm("lm_head.layer_norm", "masked_tokens/norm"),
            Row("lm_head.bias", "masked_tokens/logits/bias"),
            *_untied(config, "lm_head.decoder.weight", "masked_tokens/logits/kernel"),
        ]
    if config.output == "classes":
        return [*_dense("classifier.dense", "pooler"), *_dense("classifier.out_proj", "classifier")]
    return _dense("pooler.dense", "pooler") if config.pooler else []


def _untied(config: ModelConfig, theirs: str, ours: str) -> list[Row]:
    return [] if config.tied_logits else [Row(theirs, ours, "transpose")]


def _distilbert_rows(config: ModelConfig) -> list[Row]:
    block, ours = "transformer.layer.{}", "encoder/block_{}"
    table = [
        Row("embeddings.word_embeddings.weight", "embedding/tokens/embeddings"),
        Row("embeddings.position_embeddings.weight", "embedding/positions/table"),
        *_norm("embeddings.LayerNorm", "embedding/embedding_norm"),
    ]
    for theirs, part in (("q_lin", "query"), ("k_lin", "key"), ("v_lin", "value"), ("out_lin", "output")):
        table += _dense(f"{block}.attention.{theirs}", f"{ours}/self_attention/{part}")
    table += _norm(f"{block}.sa_layer_norm", f"{ours}/self_attention_norm")
    table += _dense(f"{block}.ffn.lin1", f"{ours}/feed_forward/expand")
    table += _dense(f"{block}.ffn.lin2", f"{ours}/feed_forward/contract")
    table += _norm(f"{block}.output_layer_norm", f"{ours}/feed_forward_norm")
    if config.output == "masked_tokens":
        table += _dense("vocab_transform", "masked_tokens/transform")
        table += _norm("vocab_layer_norm", "masked_tokens/norm")
        table.append(Row("vocab_projector.bias", "masked_tokens/logits/bias"))
        table += _untied(config, "vocab_projector.weight", "masked_tokens/logits/kernel")
    return table


# GPT-2


def _gpt2(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    width = need(config, "n_embd")
    return ModelConfig(
        vocabulary=need(config, "vocab_size"),
        encoder_layers=0,
        decoder_layers=need(config, "n_layer"),
        width=width,
        heads=need(config, "n_head"),
        feed_forward=config.get("n_inner") or 4 * width,
        max_target=config.get("n_positions") or need(config, "n_ctx"),
        norm="pre",
        norm_epsilon=need(config, "layer_norm_epsilon", float),
        activation=activation(config, "activation_function"),
        positions="learned",
        scale_embeddings=False,
        tied_logits=config.get("tie_word_embeddings") is not False,
        pad_id=NO_ID,
        start_id=NO_ID,
        end_id=token(config, "eos_token_id"),
        unknown_id=NO_ID,
        suppressed=(),
    )


def _gpt2_rows(config: ModelConfig) -> list[Row]:
    block, ours = "h.{}", "decoder/block_{}"
    table = [
        Row("wte.weight", "embedding/tokens/embeddings"),
        Row("wpe.weight", "embedding/positions/table"),
        *_norm(f"{block}.ln_1", f"{ours}/self_attention_norm"),
        *_norm(f"{block}.ln_2", f"{ours}/feed_forward_norm"),
        *_norm("ln_f", "decoder/last_norm"),
    ]
    for third, part in (("first", "query"), ("second", "key"), ("last", "value")):
        for theirs, kind in (("weight", "kernel"), ("bias", "bias")):
            table.append(
                Row(f"{block}.attn.c_attn.{theirs}", f"{ours}/self_attention/{part}/{kind}", f"{third}/3")
            )
    for theirs, part in (
        ("attn.c_proj", "self_attention/output"),
        ("mlp.c_fc", "feed_forward/expand"),
        ("mlp.c_proj", "feed_forward/contract"),
    ):
        table += [
            Row(f"{block}.{theirs}.weight", f"{ours}/{part}/kernel"),
            Row(f"{block}.{theirs}.bias", f"{ours}/{part}/bias"),
        ]
    return table + _untied(config, "lm_head.weight", "output_projection/kernel")


# Marian and Whisper: the encoder-decoder of BART's code


def _both_stacks(query: Callable[[str, str], list[Row]]) -> list[Row]:
    table = []
    for stack in ("encoder", "decoder"):
        block, ours = f"{stack}.layers.{{}}", f"{stack}/block_{{}}"
        attentions = [("self_attn", "self_attention")]
        attentions += [("encoder_attn", "cross_attention")] if stack == "decoder" else []
        for theirs, mine in attentions:
            for part, name in (
                ("q_proj", "query"),
                ("k_proj", "key"),
                ("v_proj", "value"),
                ("out_proj", "output"),
            ):
                table += query(f"{block}.{theirs}.{part}", f"{ours}/{mine}/{name}")
            table += _norm(f"{block}.{theirs}_layer_norm", f"{ours}/{mine}_norm")
        table += _dense(f"{block}.fc1", f"{ours}/feed_forward/expand")
        table += _dense(f"{block}.fc2", f"{ours}/feed_forward/contract")
        table += _norm(f"{block}.final_layer_norm", f"{ours}/feed_forward_norm")
    return table


def _seq2seq(config: Mapping[str, Any], **more: Any) -> ModelConfig:
    end, pad = token(config, "eos_token_id"), token(config, "pad_token_id")
    return ModelConfig(
        encoder_layers=need(config, "encoder_layers"),
        decoder_layers=need(config, "decoder_layers"),
        width=need(config, "d_model"),
        heads=need(config, "encoder_attention_heads"),
        decoder_heads=need(config, "decoder_attention_heads"),
        feed_forward=need(config, "encoder_ffn_dim"),
        decoder_feed_forward=need(config, "decoder_ffn_dim"),
        norm_epsilon=1e-5,  # not a setting there
        activation=activation(config, "activation_function"),
        scale_embeddings=config.get("scale_embedding") is True,
        pad_id=pad,
        start_id=need(config, "decoder_start_token_id"),
        end_id=end,
        unknown_id=NO_ID,
        **more,
    )


def _marian(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    shared = config.get("share_encoder_decoder_embeddings") is not False
    vocabulary = config.get("decoder_vocab_size") or need(config, "vocab_size")
    never = config.get("bad_words_ids") or []
    if not all(isinstance(word, list) and all(type(i) is int for i in word) for word in never):
        raise ValueError(f"expected bad_words_ids as lists of ids, received {str(never)[:80]}")
    longest = need(config, "max_position_embeddings")
    return _seq2seq(
        config,
        vocabulary=vocabulary,
        source_vocabulary=0 if shared else need(config, "vocab_size"),
        shared_embeddings=shared,
        max_source=longest,
        max_target=longest,
        norm="post",
        positions="halves",
        logits_bias=True,
        # A rule against several tokens in a row is one of search: here single tokens are barred.
        suppressed=tuple(word[0] for word in never if len(word) == 1),
    )


def _marian_rows(config: ModelConfig) -> list[Row]:
    table = [Row("final_logits_bias", "output_projection/bias", "squeeze"), *_both_stacks(_dense)]
    if config.shared_embeddings:
        return [Row("shared.weight", "source_embedding/tokens/embeddings"), *table]
    return [
        Row("encoder.embed_tokens.weight", "source_embedding/tokens/embeddings"),
        Row("decoder.embed_tokens.weight", "target_embedding/tokens/embeddings"),
        *table,
    ]


def _whisper(config: Mapping[str, Any], names: Collection[str]) -> ModelConfig:
    def ids(name: str) -> tuple[int, ...]:
        value = config.get(name) or ()
        if not isinstance(value, list | tuple) or not all(type(i) is int for i in value):
            raise ValueError(f"expected {name} as a list of ids, received {str(value)[:80]}")
        return tuple(i for i in value if i >= 0)

    return _seq2seq(
        config,
        vocabulary=need(config, "vocab_size"),
        stem="whisper",
        bins=need(config, "num_mel_bins"),
        shared_embeddings=False,
        max_source=need(config, "max_source_positions"),
        max_target=need(config, "max_target_positions"),
        norm="pre",
        positions="learned",  # the encoder's are sinusoids, but stored like learned ones
        key_bias=False,
        suppressed=ids("suppress_tokens"),
        suppressed_first=ids("begin_suppress_tokens"),
    )


def _whisper_rows(config: ModelConfig) -> list[Row]:
    def projection(theirs: str, ours: str) -> list[Row]:
        rows = _dense(theirs, ours)
        return rows[:1] if ours.endswith("/key") else rows

    table = _both_stacks(projection)
    for i in range(2):
        table.append(
            Row(f"encoder.conv{i + 1}.weight", f"source_embedding/convolution_{i}/kernel", "convolution")
        )
        table.append(Row(f"encoder.conv{i + 1}.bias", f"source_embedding/convolution_{i}/bias"))
    return [
        Row("encoder.embed_positions.weight", "source_embedding/positions/table"),
        Row("decoder.embed_tokens.weight", "target_embedding/tokens/embeddings"),
        Row("decoder.embed_positions.weight", "target_embedding/positions/table"),
        *_norm("encoder.layer_norm", "encoder/last_norm"),
        *_norm("decoder.layer_norm", "decoder/last_norm"),
        *table,
    ]


_ALONE = {"is_decoder": (False, None), "add_cross_attention": (False, None)}
_WORDS = "embeddings.word_embeddings.weight"
_OURS = {
    "normalize_before": (False, None),
    "normalize_embedding": (False, None),
    "add_final_layer_norm": (False, None),
}

FAMILIES: dict[str, Family] = {
    "bert": Family(
        "bert.",
        _bert,
        _bert_rows(_bert_head),
        _ALONE | {"position_embedding_type": ("absolute", None)},
        ("embeddings.position_ids", "pooler.", "cls.seq_relationship."),
        {"cls.predictions.decoder.weight": _WORDS, "cls.predictions.decoder.bias": "cls.predictions.bias"},
    ),
    "roberta": Family(
        "roberta.",
        _bert,
        _bert_rows(_roberta_head),
        _ALONE | {"position_embedding_type": ("absolute", None)},
        ("embeddings.position_ids", "embeddings.token_type_ids", "pooler."),
        {"lm_head.decoder.weight": _WORDS, "lm_head.decoder.bias": "lm_head.bias"},
    ),
    "distilbert": Family(
        "distilbert.",
        _distilbert,
        _distilbert_rows,
        {"sinusoidal_pos_embds": (False, None)},
        ("embeddings.position_ids",),
        {"vocab_projector.weight": _WORDS},
    ),
    "gpt2": Family(
        "transformer.",
        _gpt2,
        _gpt2_rows,
        {
            "scale_attn_by_inverse_layer_idx": (False, None),
            "reorder_and_upcast_attn": (False, None),
            "scale_attn_weights": (True, None),
            "add_cross_attention": (False, None),
        },
        ("h.{}.attn.bias", "h.{}.attn.masked_bias"),
        {"lm_head.weight": "wte.weight"},
    ),
    "marian": Family(
        "model.",
        _marian,
        _marian_rows,
        _OURS
        | {
            "static_position_embeddings": (True, None),
            "extra_pos_embeddings": (0, None),
            "add_bias_logits": (False, None),
        },
        ("encoder.embed_positions.weight", "decoder.embed_positions.weight"),
        {
            "lm_head.weight": "shared.weight",
            "encoder.embed_tokens.weight": "shared.weight",
            "decoder.embed_tokens.weight": "shared.weight",
        },
    ),
    "whisper": Family(
        "model.",
        _whisper,
        _whisper_rows,
        {},
        (),
        {"proj_out.weight": "decoder.embed_tokens.weight"},
    ),
}
