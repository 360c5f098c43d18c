"""What an author writes of a lab: strict models in which whatever can be derived may be left out, and their reading."""
