"""Ask a language model about a file.

python ask_a_model.py notes.txt "What is still to do?"
"""

import sys
from pathlib import Path

from arcrun import auth

text, question = Path(sys.argv[1]).read_text(encoding="utf-8"), sys.argv[2]
with auth.bind("openai") as openai:
    answer = openai.post(
        "/responses", json={"model": "gpt-5", "input": f"{question}\n\n{text}"}, timeout=120
    )
    for item in answer.raise_for_status().json()["output"]:
        for part in item.get("content", []):
            print(part.get("text", ""))
