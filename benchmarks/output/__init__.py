"""How anything is shown and kept: tables, figures, files, progress, and an end on demand."""
