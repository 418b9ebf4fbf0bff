"""One file a method: its algorithm and nothing else."""
