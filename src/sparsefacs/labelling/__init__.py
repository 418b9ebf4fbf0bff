"""Which faces are worth a coder's time, the page that asks for them, and the file that it writes."""
