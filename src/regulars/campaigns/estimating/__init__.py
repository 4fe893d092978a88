"""What is known and what is assumed of how members respond: rates, lifts, their calibration, and how many members tell.

Statistics only, on counts and moments that others gather; nothing here knows a campaign, a database or a clock.
"""
