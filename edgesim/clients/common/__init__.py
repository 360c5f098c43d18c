"""What clients of several families share: access through the edge, REGISTER, a line that stays registered."""
