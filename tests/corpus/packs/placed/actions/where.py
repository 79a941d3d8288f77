import json
import os

print(json.dumps({"worker": os.environ["ATTUNE_WORKER"]}))
