"""From readings to a number nobody has to argue about: consumption, leaks, failures, reconciliation, statements."""
