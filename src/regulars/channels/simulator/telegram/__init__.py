"""The Bot API: what Telegram's manual says it takes, answers and sends back."""
