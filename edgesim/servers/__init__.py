"""The servers of a lab: a module or folder a product. Products never import each other."""
