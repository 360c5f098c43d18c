"""TLS over any transport of either world: an engine makes octets of octets, a layer carries them, a loop has both."""
