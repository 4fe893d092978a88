"""What is done with the database: a campaign's members are read, what they did is counted, and told."""
