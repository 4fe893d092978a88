"""What can be done with events: take them in, read them, and keep the catalogue of items and names."""
