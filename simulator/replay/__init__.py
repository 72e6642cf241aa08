"""A market made from a log of past auctions."""
