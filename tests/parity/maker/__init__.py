"""Modules that compute the reference values of the Rust tests. Entry points are the scripts `make_*.py`."""
