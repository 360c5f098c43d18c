"""The common parts of client families: access through the edge, REGISTER, a line that stays registered."""
