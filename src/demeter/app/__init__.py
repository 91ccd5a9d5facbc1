"""Wiring: the server, the processes, the command line. The only place that knows every slice."""
