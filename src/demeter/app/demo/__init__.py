"""``demeter demo``: a housing society of simulated meters, read over DLMS/COSEM on loopback.

Nothing is inserted into reading tables: every number on the screen was asked from a (simulated) meter over TCP.
"""
