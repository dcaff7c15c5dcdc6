"""The whole client: its torrents, its listening port, and the snapshots from which people see what happens. No BEP rules it."""
