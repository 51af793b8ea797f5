"""Runs docs/verify.py over many folders: lines "folder<TAB>receipt or nothing" in, "1 " or "0 reason" out."""
import importlib.util, sys

spec = importlib.util.spec_from_file_location("verify", sys.argv[1])
verify = importlib.util.module_from_spec(spec)
spec.loader.exec_module(verify)
for line in sys.stdin:
    folder, receipt = line.rstrip("\n").split("\t")
    try:
        verify.check(folder, open(receipt, "rb").read() if receipt else None, lambda _: None)
        print("1 ", flush=True)
    except Exception as wrong:
        print("0 " + repr(wrong)[:200].replace("\n", " "), flush=True)
