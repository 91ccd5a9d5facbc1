"""Wiring: the only place that knows every slice. Processes, command line, demo."""
