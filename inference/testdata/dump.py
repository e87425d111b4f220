"""Writes what transformers computes for texts, for `sweet verify --golden`.

    python3 dump.py MODEL TEXTS OUT [TOKENS]

MODEL   model directory: a BertForSequenceClassification, or any BERT's encoder
TEXTS   a text a line, or two with a tab between them; longer ones are cut
OUT     file to write; `sweet verify --help` tells its format
TOKENS  hidden states kept of each text, spread evenly, or 0; all where it is left out

Each text runs alone, without padding, on the CPU in float32.
"""

import sys

import torch
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

model_dir, texts, out, *tokens = sys.argv[1:]
config = AutoConfig.from_pretrained(model_dir)
classifies = (config.architectures or [""])[0].endswith("ForSequenceClassification")
loader = AutoModelForSequenceClassification if classifies else AutoModel
model = loader.from_pretrained(model_dir, dtype=torch.float32, attn_implementation="eager").eval()
tokenizer = AutoTokenizer.from_pretrained(model_dir)
ids, types, starts, at, hidden, logits = [], [], [0], [], [], []
for line in open(texts, encoding="utf-8"):
    row = tokenizer(*line.rstrip("\n").split("\t"), padding=False, truncation=True,
                    max_length=config.max_position_embeddings, return_token_type_ids=True, return_tensors="pt")
    with torch.no_grad():
        result = model(**row, output_hidden_states=True)
    length = row.input_ids.shape[1]
    kept = torch.linspace(0, length - 1, min(length, int(tokens[0]) if tokens else length)).long()
    at += [starts[-1] + int(i) for i in kept]
    hidden.append(result.hidden_states[-1][0][kept])
    logits += [result.logits[0]] if classifies else []
    ids += row.input_ids[0].tolist()
    types += row.token_type_ids[0].tolist()
    starts.append(len(ids))
numbers = {"ids": ids, "types": types, "starts": starts, "at": at}
tensors = {name: torch.tensor(values, dtype=torch.float32) for name, values in numbers.items()}
if at:
    tensors["hidden"] = torch.cat(hidden)
else:
    del tensors["at"]
if classifies:
    tensors["logits"] = torch.stack(logits)
save_file(tensors, out)
