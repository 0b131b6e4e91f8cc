"""What lies in a run's folder, by name. Knows no content.

config.json       the options
cell.json         the graph of the cell: a run is read back without the source that wrote the cell
...               the data, so that no change of their source can change a resumed run: each kind of task says in which
                  files (`tasks`); of a text these are tokenizer.json, text.json and text.bin
manifest.json     what all of these must be
checkpoints/      where training stood (see checkpoints.py)
metrics.jsonl     one line an event
samples/          what the model wrote, by step
"""

from __future__ import annotations

CONFIG, CELL = "config.json", "cell.json"
METRICS, SAMPLES, CHECKPOINTS = "metrics.jsonl", "samples", "checkpoints"
