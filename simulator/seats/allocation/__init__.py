"""The allocation seat: which places of a page carry ads."""
