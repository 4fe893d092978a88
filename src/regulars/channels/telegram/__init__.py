"""Telegram: one bot, to people who started it and to channels it may post in. `adapter` has the channel."""
