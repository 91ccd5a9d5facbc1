"""Drivers: one package per protocol, loaded by entry point; they see only sdk, protocols and kernel."""
