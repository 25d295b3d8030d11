"""What `import implicitbias` loads."""

import subprocess
import sys

HEAVY = (
    "numba", "scipy.optimize", "scipy.integrate", "scipy.linalg", "matplotlib", "xarray", "cvxpy", "cupy", "sklearn",
    "rich", "markdown_it",
)  # fmt: skip


def test_heavy_packages_are_loaded_where_they_are_first_used():
    program = f"import sys, implicitbias; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_describing_a_setting_compiles_nothing():
    program = """
import sys
import implicitbias as ib
setting = ib.Setting(ib.Regression([[1.0, 2.0]], [1.0]), ib.Diagonal(), ib.GradientDescent(0.1), ib.Balanced(0.1))
setting.to_dict(), hash(setting), setting.w0
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
