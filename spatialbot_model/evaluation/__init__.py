"""Measuring policies and models."""
