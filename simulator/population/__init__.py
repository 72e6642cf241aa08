"""Who is there, and never changes: users, campaigns, ads, creatives, and how they like each other."""
