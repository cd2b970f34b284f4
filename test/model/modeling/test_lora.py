"""LoRA through PEFT: only adapters and action rows learn, and both are saved."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from spatialbot_model.modeling import SpatialBotForConditionalGeneration, make_config, make_model

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")

MakePrompt = Callable[..., dict[str, torch.Tensor]]


def lora(config: object) -> LoraConfig:
    first = config.first_action_token_id
    return LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules="all-linear",
        exclude_modules=r"vision_tower\..*",
        trainable_token_indices={"embed_tokens": list(range(first, first + 101))},
        task_type="CAUSAL_LM",
    )


def trained(make_prompt: MakePrompt) -> tuple[PeftModel, dict[str, torch.Tensor]]:
    config = make_config("tiny")
    model = get_peft_model(make_model(config), lora(config))
    prompt = make_prompt(config)
    actions = torch.arange(config.first_action_token_id, config.first_action_token_id + 7)
    ids = torch.cat([prompt["input_ids"], actions[None]], dim=1)
    prompt |= {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    labels = torch.full_like(ids, -100)
    labels[:, -7:] = actions
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.5)
    losses = []
    for _ in range(4):
        loss = model(**prompt, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
    return model.eval(), prompt


def test_adapters_and_action_rows_learn_and_are_saved(
    make_prompt: MakePrompt, tmp_path: Path
) -> None:
    model, prompt = trained(make_prompt)
    config = make_config("tiny")
    untouched = make_model(config)
    learned = {name for name, p in model.named_parameters() if p.requires_grad}
    assert learned and all("lora_" in name or "token_adapter" in name for name in learned)
    assert not any("vision_tower" in name for name in learned)
    first = config.first_action_token_id
    with torch.no_grad():
        rows = torch.tensor([[5, first - 1, first, first + 100, first + 101]])
        ours = model.get_input_embeddings()(rows)[0]
        theirs = untouched.get_input_embeddings()(rows)[0]
        assert [bool((a != b).any()) for a, b in zip(ours, theirs, strict=True)] == [
            *(False, False, True, True, False)
        ]
        expected = model(**prompt).logits
        model.save_pretrained(tmp_path)
        again = PeftModel.from_pretrained(make_model(config), tmp_path).eval()
        assert torch.equal(again(**prompt).logits, expected)
        merged = again.merge_and_unload()
        assert isinstance(merged, SpatialBotForConditionalGeneration)
        torch.testing.assert_close(merged(**prompt).logits, expected, atol=1e-4, rtol=1e-4)
        merged.save_pretrained(tmp_path / "merged")
    reread = SpatialBotForConditionalGeneration.from_pretrained(tmp_path / "merged")
    assert torch.equal(reread.get_input_embeddings()(rows)[0], ours)
    assert reread.get_output_embeddings().weight is reread.get_input_embeddings().weight


def test_an_adapted_model_generates(make_prompt: MakePrompt) -> None:
    model, prompt = trained(make_prompt)
    answer = model.generate(**prompt, max_new_tokens=3, do_sample=False, pad_token_id=0)
    assert answer.shape[1] == prompt["input_ids"].shape[1] + 3
