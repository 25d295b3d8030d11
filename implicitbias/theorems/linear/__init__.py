"""Linear models on a regression."""
