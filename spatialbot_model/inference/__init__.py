"""Runs the model: engine, decoding under a grammar, depth-tool loop, vision cache."""
