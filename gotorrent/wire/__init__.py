"""What is said: bytes in, values out; values in, bytes out (BEP 3, 7, 23). No socket, thread, clock or file in this folder."""
