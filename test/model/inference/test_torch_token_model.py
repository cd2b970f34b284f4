"""The runner against plain forward passes of the model."""

import numpy as np
import pytest
import torch
from transformers import DynamicCache, PhiConfig, PhiModel

from spatialbot_model.contracts.errors import ContextLengthError
from spatialbot_model.inference import lean_decoder
from spatialbot_model.inference.cuda_graph import DecodeGraph
from spatialbot_model.inference.kv_cache import CACHE_KINDS, BufferCache, GrowingCache, capacity_for
from spatialbot_model.inference.lean_decoder import LeanDecoder
from spatialbot_model.inference.token_model import Pass
from spatialbot_model.inference.torch_token_model import TorchTokenModel

CONTEXT = 600


@pytest.fixture(scope="module")
def model(tiny: tuple):
    return tiny[0]


def reference(model, ids: list[int], features: torch.Tensor | None = None) -> torch.Tensor:
    """(T, V) logits of one full pass."""
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), image_features=features).logits[0]


def random_ids(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    return tuple(rng.integers(0, 1900, count).tolist())


@pytest.mark.parametrize("kind", CACHE_KINDS)
def test_passes_equal_one_full_pass(model, kind: str) -> None:
    rng = np.random.default_rng(1)
    ids = random_ids(rng, 40)
    expected = reference(model, list(ids))
    runner = TorchTokenModel(model, cache=kind, context_length=CONTEXT)
    for _ in range(2):  # the second time in used buffers
        runner.begin([None], 40)
        (first,) = runner.run([Pass(ids[:30], 0, num_logits=3)])
        torch.testing.assert_close(first, expected[27:30])
        (one,) = runner.run([Pass(ids[30:31], 30)])
        torch.testing.assert_close(one, expected[30:31])
        (several,) = runner.run([Pass(ids[31:], 31, num_logits=9)])
        torch.testing.assert_close(several, expected[31:])


@pytest.mark.parametrize("kind", CACHE_KINDS)
def test_a_row_that_was_cut_back_reads_like_a_new_one(model, kind: str) -> None:
    rng = np.random.default_rng(2)
    ids = random_ids(rng, 30)
    runner = TorchTokenModel(model, cache=kind, context_length=CONTEXT)
    runner.begin([None], 30)
    runner.run([Pass((*ids[:20], *random_ids(rng, 17)), 0)])
    (logits,) = runner.run([Pass(ids[20:], 20)])
    torch.testing.assert_close(logits[0], reference(model, list(ids))[-1])


def test_both_caches_give_the_same_bits(model) -> None:
    ids = random_ids(np.random.default_rng(3), 50)
    found = []
    for kind in CACHE_KINDS:
        runner = TorchTokenModel(model, cache=kind, context_length=CONTEXT)
        runner.begin([None], 8)
        runner.run([Pass(ids[:45], 0)])
        found.append([runner.run([Pass((k,), 45 + n)])[0] for n, k in enumerate(ids[45:])])
    for static, dynamic in zip(*found, strict=True):
        assert torch.equal(static, dynamic)


def test_the_head_is_computed_for_the_wanted_columns(model) -> None:
    ids = random_ids(np.random.default_rng(4), 12)
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT)
    runner.begin([None], 12)
    (logits,) = runner.run([Pass(ids, 0, columns=range(1000, 1101))])
    assert logits.shape == (1, 101)
    torch.testing.assert_close(logits[0], reference(model, list(ids))[-1, 1000:1101])


def test_images_stand_where_their_tokens_are(model) -> None:
    rng = np.random.default_rng(5)
    image = model.config.image_token_id
    ids = (*random_ids(rng, 4), *[image] * 6, *random_ids(rng, 5))
    features = torch.randn(6, model.config.text.hidden_size)
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT)
    runner.begin([features], 15)
    (logits,) = runner.run([Pass(ids, 0)])
    torch.testing.assert_close(logits[0], reference(model, list(ids), features)[-1])


@pytest.mark.parametrize("kind", CACHE_KINDS)
def test_rows_of_a_batch_read_as_if_alone(model, kind: str) -> None:
    """Other lengths, other cuts, and rows that pause."""
    rng = np.random.default_rng(6)
    width = model.config.text.hidden_size
    image = model.config.image_token_id
    rows: list[list[int]] = [[], [], []]
    features = [None, torch.randn(5, width), None]
    runner = TorchTokenModel(model, cache=kind, context_length=CONTEXT)
    runner.begin(features, 16)
    plan = [
        [(0, 9), (0, 24), (0, 3)],
        [(9, 1), (20, 1), None],
        [None, (21, 7), (2, 4)],
        [(10, 1), (28, 1), (6, 1)],
        [(4, 12), None, None],
        [(16, 1), (10, 30), (7, 2)],
    ]
    for step in plan:
        passes: list[Pass | None] = []
        for row, move in enumerate(step):
            if move is None:
                passes.append(None)
                continue
            keep, count = move
            new = list(random_ids(rng, count))
            if features[row] is not None and keep == 0:
                new[2:7] = [image] * 5
            rows[row] = rows[row][:keep] + new
            passes.append(Pass(tuple(new), keep))
        for row, (move, logits) in enumerate(zip(step, runner.run(passes), strict=True)):
            assert (logits is None) == (move is None)
            if logits is not None:
                expected = reference(model, rows[row], features[row])[-1]
                torch.testing.assert_close(logits[0], expected, rtol=1e-4, atol=1e-4)


def test_buffers_grow_and_keep_what_they_hold(model) -> None:
    ids = random_ids(np.random.default_rng(7), 400)
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT)
    runner.begin([None], 10)
    runner.run([Pass(ids[:200], 0)])
    (logits,) = runner.run([Pass(ids[200:], 200)])
    torch.testing.assert_close(logits[0], reference(model, list(ids))[-1])
    assert capacity_for(1) == 256 and capacity_for(257) == 512


def test_the_context_is_a_limit(model) -> None:
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT)
    runner.begin([None], 10)
    with pytest.raises(ContextLengthError, match="600"):
        runner.run([Pass((1,) * 601, 0)])
    runner.run([Pass((1,) * 600, 0)])


@pytest.mark.parametrize("lean", [True, False])
def test_the_step_that_a_graph_captures_equals_a_plain_one(model, lean: bool) -> None:
    """Everything of the CUDA path but the capture itself, which needs a GPU."""
    ids = random_ids(np.random.default_rng(8), 20)
    expected = reference(model, list(ids))
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT, cuda_graph=True)
    if not lean:
        runner._lean = None
    for _ in range(2):
        runner.begin([None], 20)
        runner.run([Pass(ids[:15], 0)])
        for n, token in enumerate(ids[15:], 15):
            (logits,) = runner.run([Pass((token,), n)])
            torch.testing.assert_close(logits[0], expected[n], rtol=1e-4, atol=1e-4)
    # after a cut, and when the buffers were replaced by larger ones
    (logits,) = runner.run([Pass((ids[16],), 16)])
    torch.testing.assert_close(logits[0], expected[16], rtol=1e-4, atol=1e-4)
    runner.run([Pass(ids[:15] * 20, 0)])
    runner.run([Pass(ids[:15], 0)])
    (logits,) = runner.run([Pass((ids[15],), 15)])
    torch.testing.assert_close(logits[0], expected[15], rtol=1e-4, atol=1e-4)


def test_a_graph_step_counts_its_token(model) -> None:
    cache = BufferCache(model.config.text.num_hidden_layers, 256)
    graph = DecodeGraph(TorchTokenModel(model, cache="static", context_length=CONTEXT)._decode)
    with torch.inference_mode():
        embeds = model.get_input_embeddings()(torch.tensor([[3]]))
        graph.run(embeds, 0, cache)
    assert int(cache.get_seq_length()) == 1 and cache.fixed_position is None


def test_a_growing_cache_is_cut_to_a_length(model) -> None:
    growing = GrowingCache()
    growing.truncate(5)
    with torch.inference_mode():
        model.language_model(
            input_ids=torch.tensor([[1, 2, 3]]), past_key_values=growing.cache, use_cache=True
        )
    growing.truncate(2)
    assert int(growing.cache.get_seq_length()) == 2
    growing.truncate(2)
    assert int(growing.cache.get_seq_length()) == 2


@pytest.mark.parametrize("most_copied_bytes", [0, 10**9])
@pytest.mark.parametrize("num_wanted", [1, 4, 11])
def test_the_lean_decoder_computes_what_transformers_does(
    model, num_wanted: int, most_copied_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_decoder, "_MOST_COPIED_BYTES", most_copied_bytes)
    decoder = model.language_model.get_decoder()
    assert LeanDecoder.fits(decoder)
    lean = LeanDecoder(decoder, CONTEXT)
    torch.manual_seed(0)
    embeds = torch.randn(1, 31, model.config.text.hidden_size)
    ours, theirs = DynamicCache(), DynamicCache()
    # a prompt, a tool's turn, single tokens
    for start, end in ((0, 15), (15, 26), (26, 27), (27, 31)):
        positions = torch.arange(start, end)[None]
        with torch.inference_mode():
            found = lean(embeds[:, start:end], positions, None, ours, min(num_wanted, end - start))
            expected = decoder(
                inputs_embeds=embeds[:, start:end],
                position_ids=positions,
                past_key_values=theirs,
                use_cache=True,
            ).last_hidden_state
        torch.testing.assert_close(found, expected[:, -num_wanted:], rtol=1e-4, atol=1e-4)


def test_other_decoders_run_through_transformers(model) -> None:
    phi = PhiModel(
        PhiConfig(
            vocab_size=50,
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
        )
    )
    assert not LeanDecoder.fits(phi)
    ids = random_ids(np.random.default_rng(9), 20)
    runner = TorchTokenModel(model, cache="static", context_length=CONTEXT)
    runner._lean = None
    runner.begin([None], 20)
    (logits,) = runner.run([Pass(ids, 0, num_logits=2)])
    torch.testing.assert_close(logits, reference(model, list(ids))[-2:])
    (logits,) = runner.run([Pass(ids[5:], 5)])
    torch.testing.assert_close(logits[0], reference(model, list(ids))[-1])
