"""What audiences do."""
