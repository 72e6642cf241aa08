"""A market in motion: its state, the compiled walk over requests, the two engines."""
