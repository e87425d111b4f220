r"""Trains a classifier on the frozen encoder and pooler of a BertModel.

    sweet generate --out DESK
    grep -P '\t(label|invoice|login|praise|stock|voucher|warranty|human|other)$' DESK/train.tsv | head -2001 > HEAD.tsv
    python3 head.py MODEL HEAD.tsv OUT

MODEL  model directory with its weights in one file
OUT    folder that together with MODEL's weights, as model-00001-of-00002.safetensors,
       and its tokenizer is a BertForSequenceClassification in two shards

pretrained/head was made so, from the encoder that .ci/pretrained fetches.
"""

import json
import os
import sys

import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, AutoTokenizer

model_dir, data, out = sys.argv[1:]
torch.manual_seed(1)
texts, names = zip(*(line.rstrip("\n").split("\t") for line in list(open(data, encoding="utf-8"))[1:]))
labels = sorted(set(names))
tokenizer, model = AutoTokenizer.from_pretrained(model_dir), AutoModel.from_pretrained(model_dir).eval()
pooled = []
for i in range(0, len(texts), 50):
    batch = tokenizer(list(texts[i:i + 50]), padding=True, truncation=True, max_length=128, return_tensors="pt")
    with torch.no_grad():
        pooled.append(model(**batch).pooler_output)
pooled, targets = torch.cat(pooled), torch.tensor([labels.index(name) for name in names])
classifier = torch.nn.Linear(pooled.shape[1], len(labels))
optimizer = torch.optim.AdamW(classifier.parameters(), lr=0.01)
for step in range(600):
    loss = torch.nn.functional.cross_entropy(classifier(pooled), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.3f}, right {(classifier(pooled).argmax(1) == targets).float().mean().item():.3f}")

os.makedirs(out, exist_ok=True)
shards = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
head = {"classifier.weight": classifier.weight.detach(), "classifier.bias": classifier.bias.detach()}
save_file(head, os.path.join(out, shards[1]))
encoder = load_file(os.path.join(model_dir, "model.safetensors"))
places = dict.fromkeys(sorted(encoder), shards[0]) | dict.fromkeys(sorted(head), shards[1])
with open(os.path.join(out, "model.safetensors.index.json"), "w") as f:
    json.dump({"metadata": {"total_size": sum(4 * t.numel() for t in (encoder | head).values())}, "weight_map": places}, f, indent=1)
config = AutoConfig.from_pretrained(model_dir)
config.architectures = ["BertForSequenceClassification"]
config.id2label, config.label2id = dict(enumerate(labels)), {name: i for i, name in enumerate(labels)}
config.save_pretrained(out)
