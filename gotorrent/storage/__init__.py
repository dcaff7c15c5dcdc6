"""Where bytes rest: the content on disk, and what the client remembers about it. No BEP rules this folder."""
