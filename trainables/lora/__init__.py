"""LoRA on a frozen, shared base model."""
