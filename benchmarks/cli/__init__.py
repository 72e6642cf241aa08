"""The commands: what each takes and says of itself. What it does is imported when it is called, so that help comes at once."""
