"""Greets, and says which Python it runs with. The last line of output is the result."""

import json
import platform
import sys

parameters = json.load(sys.stdin)
greeting = "hello, " + str(parameters.get("name", "world"))
print(greeting, "from", sys.executable)
print(json.dumps({"interpreter": sys.executable, "version": platform.python_version(), "greeting": greeting}))
