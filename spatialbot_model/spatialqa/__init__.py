"""Questions about space and depth from annotated pictures, with answers computed from the data."""
