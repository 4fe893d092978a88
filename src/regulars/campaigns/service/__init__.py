"""What is done with campaigns and plans: saved, planned, compared, sent, explained, set off."""
