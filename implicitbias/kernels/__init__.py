"""Numba kernels over plain arrays, and nothing else."""
