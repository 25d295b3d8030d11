"""Which separator does an optimizer select, and how fast? Every theorem of the family `classification`.

    python experiments/classification.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("classification", __doc__)
