"""What reads bytes of unknown origin, prepared for a fuzzer: `spatialbot bench fuzz`."""
