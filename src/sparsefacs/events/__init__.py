"""Events: stretches of time in which a face shows an AU, as coders and their programs keep them.

`model` says what an event is; `names` what a coder's words mean; each other program's files have a module of their own
in `formats`, read and written through its table of formats.
"""
