"""The models, one a file: each a `torch.nn.Module` from a batch to log-odds of the steps of a chain of labels."""
