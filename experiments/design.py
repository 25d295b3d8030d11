"""Which optimizer has a wanted bias? Every theorem of the family `design`.

    python experiments/design.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("design", __doc__)
