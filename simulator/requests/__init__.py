"""What comes: when, in which session, from where, asking what."""
