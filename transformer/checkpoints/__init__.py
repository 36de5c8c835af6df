"""A model folder on disk: `config.json`, `model.safetensors`, `tokenizer.json`, `README.md`."""
