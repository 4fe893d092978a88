"""What the platforms remember: accounts, people, requests, and what they have yet to send back."""
