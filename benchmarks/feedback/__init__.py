"""`adarena rank loop`: rankers that learn from the logs which the rankers before them made, over several rounds."""
