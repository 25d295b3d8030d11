"""Which matrix, and of which rank, do factorizations select? Every theorem of the family `matrix`.

    python experiments/matrix.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("matrix", __doc__)
