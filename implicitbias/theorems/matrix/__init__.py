"""Matrix factorization, sensing and completion."""
