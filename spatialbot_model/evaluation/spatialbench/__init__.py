"""SpatialBench (arXiv 2406.13642, section III-F): questions, scoring, reports."""
