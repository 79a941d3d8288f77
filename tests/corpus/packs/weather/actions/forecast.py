import json
import sys

given = json.loads(sys.stdin.read().strip() or "{}")
print("looking out of the window", file=sys.stderr)
print(json.dumps({"city": given["city"], "days": given["days"], "warm": len(given.get("token", "")) > 3}))
