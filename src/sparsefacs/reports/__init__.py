"""Tables, plots and the one-page HTML report."""
