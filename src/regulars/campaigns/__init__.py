"""What is said to whom: campaigns, the plans that choose among them, and what sets single messages off."""
