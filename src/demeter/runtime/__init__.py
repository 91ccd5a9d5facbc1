"""Machinery every slice stands on: database, secrets, configuration, jobs, logging."""
