"""Lets `python -m sparsefacs` be the command line, where the shell does not know the command."""

from .cli import main

main()
