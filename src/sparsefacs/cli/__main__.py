"""Lets `python -m sparsefacs.cli` be the command line."""

from . import main

main()
