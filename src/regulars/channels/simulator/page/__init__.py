"""The page that shows the phones: what members see, and can type and press."""
