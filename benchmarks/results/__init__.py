"""`adarena results`: every figure and table of README and docs, by the commands that make them."""
