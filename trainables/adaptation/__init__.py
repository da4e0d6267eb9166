"""Adapts a model to the tokenizer of a domain: alignment of tokens, and embeddings and a head for them."""
