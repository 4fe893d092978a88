"""The Messaging API: what LINE's reference says it takes, answers, counts and sends back."""
