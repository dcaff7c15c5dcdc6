"""Benchmarks against other people's programs, in the same run: `python -m tests.bench download|seed|create`. Not run by pytest."""
