#!/usr/bin/env python3
"""engine_bench on the emulated GPU: engine_bench_simt_test.py PROGRAM

Times mean nothing there; that rows are made, right and bounded does.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "rows.json"
    shape, modes, passes = "n=1,h=4,c=8,k=8,r=1", ("tf32", "bf16", "f16"), ("forward", "backward_data", "backward_weights")
    done = subprocess.run(
        [sys.argv[1], "--device", "cuda", "--quick", "--seconds", "0.001", "--conv", shape, "--dtype",
         ",".join(modes), "--json", file], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"code {done.returncode}\n{done.stdout}\n{done.stderr}")
    found = json.loads(file.read_text())
    assert found["left_out"] == [], found["left_out"]
    names = [row["name"] for row in found["rows"]]
    assert names == [f"conv2d_{name}/{mode}/{shape}" for mode in modes for name in passes], names
    for row in found["rows"]:  # where it is asked for, tensor cores do the product
        assert row["engine"]["algorithm"].startswith("mma "), row
    for row in found["rows"]:
        assert row["checked"] == row["elements"] and row["engine"]["share_of_bound"] <= 1, row
        assert row["engine"]["median_seconds"] > 0 and row["engine"]["n"] >= 5, row
        assert "peer" not in row, row
    assert found["ceilings"]["copy_bytes_per_second"] > 0, found["ceilings"]
    assert "nvml" in found["header"] or "driver" in found["header"], found["header"]
    assert found["header"]["l2_bytes"].isdigit(), found["header"]
print("engine_bench_simt: 9 rows")
