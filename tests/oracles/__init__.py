"""Independent ways to compute a gradient flow, none of which shares code with the library."""
