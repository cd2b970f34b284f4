"""A policy without learning: colour segmentation, aligned depth and a fixed sequence of stages.

It sees what the model sees, the camera and the instruction, and answers in the same language;
a baseline, and a policy that always runs.
"""
