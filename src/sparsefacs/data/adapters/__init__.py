"""One file a data set: what its delivered folder looks like."""
