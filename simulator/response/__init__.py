"""What people do with an ad, and what it does to them."""
