"""Simulated meters that speak their real protocol: the society of the demonstration, the peers of the tests."""
