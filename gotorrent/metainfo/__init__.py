"""What is written down: bencode, the .torrent file and its pieces, safe paths, creating torrents, magnet links (BEP 3, 9, 47)."""
