"""Training: recipes, data, objectives and the loop that joins them."""
