"""Diagonal linear networks on a regression."""
