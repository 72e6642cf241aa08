"""The creative seat: which of an ad's creatives an impression shows."""
