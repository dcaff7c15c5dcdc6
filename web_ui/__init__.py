"""The pages: Flask applications for the client and the tracker, and the server that runs them. No BEP rules this folder.

Only this folder speaks HTML. It sees the client through `gotorrent.session.snapshot` and a small facade, and the tracker through
`gotorrent.tracker`, whose answers are bytes.
"""
