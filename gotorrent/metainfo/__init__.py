"""What is written down: bencode, the .torrent file and its pieces, safe paths, creating torrents, magnet links.

BEP 3, 9, 12, 19, 27 and 47 rule it.
"""
