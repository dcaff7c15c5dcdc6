"""Who has it: asking trackers for peers, and telling them of us (BEP 3, 7, 23, 31)."""
