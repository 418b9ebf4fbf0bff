"""Who is trained on and who is tested on, and which labels may be seen: seeded, hashed files."""
