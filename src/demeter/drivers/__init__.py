"""Drivers: how Demeter speaks to equipment. They see only the plug-in API, protocols and the kernel."""
