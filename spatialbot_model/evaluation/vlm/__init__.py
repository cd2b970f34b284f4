"""General benchmarks of vision-language models in their public file layouts."""
