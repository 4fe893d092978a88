"""E-mail: one sender's address through one SMTP server. `adapter` has the channel, `settings` what it needs."""
