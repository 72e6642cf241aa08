"""How anything is shown: tables, figures, progress, and an end on demand."""
