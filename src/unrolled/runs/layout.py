"""What lies in a run's folder, by name. Knows no content.

config.json       the options (RunConfig)
cell.json         the graph of the cell: a run is read back without the source that wrote the cell
tokenizer.json    the vocabulary
text.json         what the text is
text.bin          the text as ids, so that no change of its source can change a resumed run
manifest.json     what the five must be
checkpoints/      where training stood (see checkpoints.py)
metrics.jsonl     one line an event
samples/          what the model wrote, by step
"""

from __future__ import annotations

CONFIG, CELL, TOKENIZER, ABOUT, TEXT = "config.json", "cell.json", "tokenizer.json", "text.json", "text.bin"
METRICS, SAMPLES, CHECKPOINTS = "metrics.jsonl", "samples", "checkpoints"
IDENTITY = (CONFIG, CELL, TOKENIZER, ABOUT, TEXT)
