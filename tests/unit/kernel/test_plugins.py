# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys


def test_no_installed_distribution_gets_to_see_what_is_checked(tmp_path):
    """T-04: pydantic calls plugins of whatever is installed beside us."""
    metadata = tmp_path / "nosy-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: nosy\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[pydantic]\nnosy = nosy:plugin\n")
    (tmp_path / "nosy.py").write_text("raise SystemExit('a plugin was loaded')\nplugin = None\n")
    validate = (
        "from cleanroom.kernel.wire_model import WireModel, validate_shape\n"
        "class Shape(WireModel):\n    a: int\n"
        "print(validate_shape(Shape, {'a': 1}, what='shape').a)"
    )
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{validate}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={}
    )
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
