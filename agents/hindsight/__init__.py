"""What could have been had: the best constant decision of a day, and bounds on any."""
