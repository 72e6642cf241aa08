"""The bid seat: what a campaign bids, tick by tick or request by request."""
