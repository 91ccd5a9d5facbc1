"""DLMS/COSEM (IEC 62056), sans-I/O: bytes in, values out; sockets, clocks and tasks belong to the callers."""
