"""What can be done with members: joining identities, merging, traits, and the rest of a member's page."""
