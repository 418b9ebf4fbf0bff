"""Pure functions, tensors in, tensors out; one file a family."""
