"""Makes the reference values the Rust tests are compared with. Run through `make_fixtures.py`."""
