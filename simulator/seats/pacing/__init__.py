"""The pacing seat: by how much the platform lowers what campaigns bid, and how often it keeps them out."""
