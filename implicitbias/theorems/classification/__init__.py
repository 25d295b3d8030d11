"""Margins of linear classifiers."""
