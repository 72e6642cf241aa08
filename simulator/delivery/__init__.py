"""The platform: auction, funnel, index, which creative is shown, the queue and its servers."""
