"""`predict` for many files: a table each, in a folder that can be gone on with, in shards and by several processes.

    FOLDER/ann/day1.csv            codes of ann/day1.mp4; of the photos of a folder ann/, ann/photos.csv
    FOLDER/ann/day1.json           the record: what coded it, from which input, or why it could not be coded
    FOLDER/manifest.csv            a row an input, made of the records
    FOLDER/.predict/plan.json      coder, settings, and all inputs that are expected
    FOLDER/.predict/shard-1-of-8/  holds .lock while that shard is at work

A table is there whole or not at all; one without its record was being finished when the process was killed, and is made
again. Who codes what depends on the plan alone.
"""
