"""The auction seat: at what least prices impressions are sold, and by what bids are ranked."""
