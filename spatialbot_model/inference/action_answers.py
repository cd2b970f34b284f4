"""How a checkpoint answers a control step: in action tokens or in text, with the tool or not."""

import time

from spatialbot_model.contracts.action_codec import DeltaAction, format_action_text
from spatialbot_model.contracts.errors import ConfigurationError
from spatialbot_model.contracts.types import Observation
from spatialbot_model.inference.constraints import (
    Constraint,
    FreeText,
    ReplyConstraint,
    SpokenActionConstraint,
)
from spatialbot_model.inference.depth_loop import DepthTool, Dialogue, TurnSettings, converse
from spatialbot_model.inference.options import EngineOptions, EngineStep
from spatialbot_model.inference.token_model import Program
from spatialbot_model.processing.processor import SpatialBotProcessor


class ActionAnswers:
    """The decode program of a control step, and the reading of its result.

    Attributes:
        turns: how turns are written and decoded.

    Raises:
        ConfigurationError: parallel decoding is asked of a checkpoint that cannot.
    """

    def __init__(self, processor: SpatialBotProcessor, options: EngineOptions) -> None:
        self._options = options
        encoder, layout = processor.encoder, processor.layout
        self._grammar: ReplyConstraint | None = None
        self._free: Constraint
        self._forced: Constraint | None
        if processor.action_form == "tokens":
            self._grammar = self._forced = ReplyConstraint(encoder, layout)
            self._free = ReplyConstraint(encoder, layout, free_text=True)
        else:
            self._free = FreeText(layout, encoder.encode(" The robot should <"))
            self._forced = _spoken_action_constraint(processor)
        self._asks = options.depth_tool
        if self._asks == "auto":
            self._asks = options.max_depth_queries > 0 and processor.depth_tool
        in_parallel = _decodes_in_parallel(options, processor)
        self.turns = TurnSettings(
            encoder,
            layout,
            processor.prompt_template,
            options.max_action_tokens,
            actions=None if self._grammar is None else self._grammar.actions,
            action_query=layout.action_query if in_parallel else None,
            waypoint_queries=processor.waypoint_queries,
        )

    def program(self, observation: Observation, prompt: tuple[int, ...]) -> Program[Dialogue]:
        """Decode the answer to a prompt; depths are those of the newest frame."""
        tool = None
        if self._asks:
            tool = DepthTool(observation.newest.depth_mm, self._options.max_depth_queries)
        # text answers are bound to a grammar only after the last depth round
        bound = tool is not None or self._grammar is not None
        return converse(
            prompt,
            self.turns,
            self._free,
            forced=self._forced if bound else None,
            tool=tool,
            clock=time.perf_counter,
        )

    def step(self, dialogue: Dialogue, stage_ms: dict[str, float]) -> EngineStep:
        """What a finished program means."""
        reply = dialogue.last
        bins = None if self._grammar is None else self._grammar.action_bins(reply.ids)
        return EngineStep(
            text=dialogue.text if bins is None else format_action_text(DeltaAction(bins)),
            bins=bins,
            action_probabilities=() if bins is None else reply.probabilities,
            depth_answers=dialogue.depth_answers,
            num_rounds=dialogue.num_rounds,
            limit_reached=dialogue.limit_reached,
            stage_ms=dict(stage_ms),
            reply_ids=reply.ids,
        )


def _decodes_in_parallel(options: EngineOptions, processor: SpatialBotProcessor) -> bool:
    if options.decode == "parallel" and not processor.parallel_actions:
        raise ConfigurationError(
            "this checkpoint was not trained to decode seven actions at once; use decode auto or"
            " sequential"
        )
    return options.decode != "sequential" and processor.parallel_actions


def _spoken_action_constraint(processor: SpatialBotProcessor) -> Constraint | None:
    try:
        return SpokenActionConstraint(processor.encoder, processor.layout)
    except ConfigurationError:
        # such a tokenizer's model is never made to act; the arm holds on what it says instead
        return None
