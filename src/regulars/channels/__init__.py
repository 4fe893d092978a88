"""Adapters to what carries messages: they render, send, verify and read webhooks, and decide nothing."""
