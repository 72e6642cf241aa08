"""What a policy of the user's own is made of: modules loaded, sources imported, files read."""
