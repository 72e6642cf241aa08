"""`adarena live`: a market that runs before one's eyes, and what may be done to it meanwhile."""
