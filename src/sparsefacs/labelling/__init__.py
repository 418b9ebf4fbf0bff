"""Which faces are worth a coder's time, and the page that asks for them."""
