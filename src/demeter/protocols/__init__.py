"""Wire protocols, sans-I/O: bytes in, objects out. Nothing here imports Demeter or touches a socket."""
