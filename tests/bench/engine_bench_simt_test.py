#!/usr/bin/env python3
"""engine_bench on the emulated GPU: engine_bench_simt_test.py PROGRAM FOLDER_OF_NVML

Times mean nothing there; that rows are made, right and bounded does, and what the header tells.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder) / "rows.json"
    shape, modes, passes = "n=1,h=4,c=8,k=8,r=1", ("tf32", "bf16", "f16"), ("forward", "backward_data", "backward_weights")
    done = subprocess.run(
        [sys.argv[1], "--device", "cuda", "--quick", "--seconds", "0.001", "--conv", shape, "--dtype",
         ",".join(modes), "--json", file], text=True, capture_output=True,
        env=dict(os.environ, LD_LIBRARY_PATH=sys.argv[2]))
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
    header = found["header"]
    state = {"sm_mhz": "1500", "max_sm_mhz": "1980", "memory_mhz": "2600", "watts": "512", "limit_watts": "unknown",
             "celsius": "61", "driver": "999.10"}
    for key, value in state.items():
        assert header[key] == header["at_end_" + key] == value, (key, header)
    for key in ("date", "device", "engine", "cudnn", "cuda_driver_api", "cuda_runtime", "cublas", "load_average"):
        assert header[key], (key, header)
    # Copies of the tensors, in turn, are more than twice the last cache.
    assert int(header["rotated_bytes"]) == 2 * int(header["l2_bytes"]) > 0, header

    # Products have a peer there too, the twin of cuBLASLt: both sides, and their errors, in one row.
    done = subprocess.run([sys.argv[1], "--device", "cuda", "--quick", "--seconds", "0.001", "--family", "linear",
                           "--filter", "in=84", "--pass", "forward,backward_weights", "--dtype", "bf16", "--json",
                           file], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"code {done.returncode}\n{done.stdout}\n{done.stderr}")
    found = json.loads(file.read_text())
    assert len(found["rows"]) == 2 and found["left_out"] == [], found
    for row in found["rows"]:
        assert row["engine"]["algorithm"].startswith(("mma ", "wgmma ")), row
        assert row["peer"]["name"] == "cuBLASLt" and row["ratio"] > 0, row
        for side in (row["engine"], row["peer"]):
            assert side["share_of_bound"] <= 1 and side["error"] < 0.02 and side["n"] >= 5, row
    assert "not found" in found["header"]["nvml"], found["header"]
print("engine_bench_simt: 11 rows")
