"""A Go program for tests: passes or plays by a script, and fails on demand.

fake_gtp.py ANSWER…    what it answers to each genmove, in turn, the last one for ever;
                       `die`, `hang`, `garble` and `error` do as they say
"""

import sys
import time

answers = sys.argv[1:] or ["pass"]
asked = 0
for line in sys.stdin:
    name = (line.split() or [""])[0]
    if name != "genmove":
        print("= ok" if name else "", end="\n\n", flush=True)
        if name == "quit":
            break
        continue
    answer = answers[min(asked, len(answers) - 1)]
    asked += 1
    if answer == "die":
        sys.exit(3)
    if answer == "hang":
        time.sleep(60)
    print({"garble": "hello", "error": "? no idea"}.get(answer, f"= {answer}"), end="\n\n", flush=True)
