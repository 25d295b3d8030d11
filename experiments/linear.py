"""Which interpolant do the methods of linear regression select? Every theorem of the family `linear`.

    python experiments/linear.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("linear", __doc__)
