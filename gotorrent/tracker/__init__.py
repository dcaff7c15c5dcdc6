"""The server that introduces peers to each other (BEP 3, 7, 23, 48). Bytes in, bytes out: Flask lives in `web_ui`."""
