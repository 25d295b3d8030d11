"""Which interpolant do diagonal linear networks select? Every theorem of the family `diagonal`.

    python experiments/diagonal.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("diagonal", __doc__)
