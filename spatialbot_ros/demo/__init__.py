"""`spatialbot demo`: the whole stack on simulated scenes, judged by ground truth."""
