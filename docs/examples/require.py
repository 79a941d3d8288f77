"""Does this host have what a program needs? Without database and event loop."""

import attune

report = attune.detect(only=["shell", "docker"])
print(report.runtimes, [verdict.reason for verdict in report.verdicts])
print(report.require("shell")["shell"].path)
try:
    report.require("docker >=24")
except attune.UnmetError as error:
    print(error)
