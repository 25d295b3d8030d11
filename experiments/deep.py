"""What do deep linear networks conserve, and where do finite steps take them? Every theorem of the family `deep`.

    python experiments/deep.py [--seed S] [--instances K] [--out experiments/output]

See family.py for what it writes.
"""

from family import run

if __name__ == "__main__":
    run("deep", __doc__)
