"""The compute seat: how deep the funnel goes for requests of each traffic tier, and how many servers there are."""
