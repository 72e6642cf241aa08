"""`adarena rank`: what is in a log, rankers trained on it, and how good they are beside the truth."""
