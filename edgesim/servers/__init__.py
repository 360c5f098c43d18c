"""The servers of a lab: one module or folder per product. Products never import each other."""
