"""What users of PyTorch, transformers, PEFT and TRL run for the same work."""
