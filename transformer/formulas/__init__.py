"""Formulas that have a name in the literature, in numpy: position encodings, bits and perplexity."""
