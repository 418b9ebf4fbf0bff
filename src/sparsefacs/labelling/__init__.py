"""Coding by hand: a page that asks for the frames worth coding, and the file that it writes."""
