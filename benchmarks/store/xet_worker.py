"""hf_xet in a process of its own environment; see worker.py for how it is asked."""

import json
import sys
import time

import hf_xet

for line in sys.stdin:
    question = json.loads(line)
    endpoint = "local://" + question["cas"]
    try:
        started = time.perf_counter()
        if question["do"] == "put":
            done = hf_xet.upload_files(question["files"], endpoint, None, None, None, "model")
            answer = {"stored": [{"hash": item.hash, "size": item.file_size} for item in done]}
        else:
            wanted = [
                hf_xet.PyXetDownloadInfo(path, item["hash"], item["size"]) for path, item in question["wanted"].items()
            ]
            hf_xet.download_files(wanted, endpoint, None, None, None)
            answer = {}
        answer["seconds"] = time.perf_counter() - started
    except Exception as problem:  # noqa: BLE001 - whatever it is, the table says it
        answer = {"error": f"{type(problem).__name__}: {problem}"}
    print(json.dumps(answer), flush=True)
