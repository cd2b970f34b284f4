"""Which scenes an evaluation is made of."""

from typing import TYPE_CHECKING

from spatialbot_model.contracts.errors import ConfigurationError, UnknownNameError

if TYPE_CHECKING:
    from spatialbot_sim.evaluate import TrialJob

NOVELTIES = {
    "all": None,
    "none": "",
    "paraphrase": "paraphrase",
    "object": "object",
    "combination": "combination",
}
DEFAULT_FAMILIES = "basic,positional,size,illusion"


def held_out_scenes(
    families: str, num: int, seed: int, novelty: str = "all", with_other_instruction: bool = False
) -> "list[TrialJob]":
    """The first scenes of each family from a test seed on, the families one after the other.

    Args:
        families: names of tasks, or of families of SpatialQA-E without their prefix, with commas.
        num: scenes per family.
        seed: how far into the test seeds; 0 = from the first.
        novelty: keep only seeds whose scenes are new in this respect.
        with_other_instruction: keep only scenes that allow a counterfactual instruction.

    Raises:
        UnknownNameError: no such family or novelty.
        ConfigurationError: no family.
    """
    from spatialbot_sim.evaluate import TrialJob
    from spatialbot_sim.tasks import TASKS, novelty_of, sample_scene
    from spatialbot_sim.tasks.counterfactual import counterfactual
    from spatialbot_sim.tasks.grammar import load_grammar
    from spatialbot_sim.tasks.spatialqa_e import MIXTURE

    if novelty not in NOVELTIES:
        raise UnknownNameError("novelty", novelty, NOVELTIES)
    names = [name.strip() for name in families.split(",") if name.strip()]
    if not names:
        raise ConfigurationError("no family to evaluate; name some, such as basic,positional")
    jobs = []
    for name in dict.fromkeys(names):
        task = name if name in TASKS else f"{MIXTURE}_{name}"
        if task not in TASKS:
            short = [known.removeprefix(f"{MIXTURE}_") for known in TASKS]
            raise UnknownNameError("family", name, short)
        at = load_grammar().first_test_seed + seed
        found = 0
        while found < num:
            wanted = NOVELTIES[novelty] in (None, novelty_of(at))
            if wanted and with_other_instruction:
                wanted = counterfactual(sample_scene(task, at)) is not None
            if wanted:
                jobs.append(TrialJob(task, at))
                found += 1
            at += 1
    return jobs
