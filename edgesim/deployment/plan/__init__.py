"""Plans: what authors write of a lab, as strict models in which derivable values may be left out, and their parsing."""
