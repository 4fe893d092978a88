"""What is done with programmes: saved, driven by events, told; their vouchers, rewards and registrations."""
