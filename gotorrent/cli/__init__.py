"""The two commands: the only place that prints and reads arguments. No BEP rules this folder."""
