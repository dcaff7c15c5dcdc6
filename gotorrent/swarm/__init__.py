"""One torrent at work (BEP 3): which pieces we have and want, which peers we know, and one thread for each connection."""
