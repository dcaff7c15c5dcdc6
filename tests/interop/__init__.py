"""Interoperability: other people's clients (libtorrent, aria2, Transmission) and ours in one swarm, through our own tracker.

Each client is a process of its own with folders of its own, on loopback or in network namespaces that the test makes; every copy
is compared with the original byte for byte.
"""
