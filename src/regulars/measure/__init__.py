"""What sending changed: lift of treated over withheld members, with its interval, and how sure it is.

The statistics know no campaign, no database and no clock; `service` gathers what they are asked about.
"""
