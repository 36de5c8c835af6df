"""One assembly of layers each. `call` returns logits, so that `fit` works; `forward` returns logits and attention."""
