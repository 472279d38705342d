"""Fixtures of model families: tiny random models with the real structure of each family. See README.md."""
