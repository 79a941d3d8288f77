import json
import sys

print(json.dumps({"noted": json.load(sys.stdin)}))
