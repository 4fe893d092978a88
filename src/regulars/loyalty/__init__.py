"""A brand's loyalty programme: what members earn, hold, reach and redeem."""
