"""Designing an optimizer for a bias."""
