"""The training loop: optimisers, streams, checkpoints, logs."""
