"""GoTorrent: a BitTorrent client and tracker that is small enough to read front to back.

Read it in this order; each folder uses only the ones before it:

1. `metainfo`   what is written down: bencode, the .torrent file, pieces and blocks, magnet links
2. `wire`       what is said: handshake, peer messages, tracker requests; bytes in, values out, no socket
3. `storage`    where bytes rest: files on disk, and what we remember about them
4. `discovery`  who has it: asking trackers for peers
5. `swarm`      one torrent at work: piece manager, picker, choker, the thread of each peer
6. `session`    the whole client: many torrents, one port, snapshots, and why nothing is happening
7. `cli`        the two commands; `web_ui` beside this package draws the pages

`tracker` is the server; it uses only `metainfo` and `wire`. At the root, used by all: `errors`, `clock`, `config`, `system`.
"""

__version__ = "0.1.0"
