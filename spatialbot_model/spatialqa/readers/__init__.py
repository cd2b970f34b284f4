"""Readers: annotations and pictures of public data sets as annotated scenes."""
