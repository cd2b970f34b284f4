#!/usr/bin/env bash
# Repeat the proof: collect -> check -> train -> aggregate -> evaluate -> compare -> figure.
#
#   SIZE=smoke|small|full WORKERS=2 examples/train_and_prove.sh [OUT]
#
# smoke checks in minutes that every step works: loss and bin error fall, and the weights drive
# the demo without faults. small is a night on two cores, full what docs/benchmarks report.
# Everything goes on where it stopped: run it again after an interruption.
set -euo pipefail
cd "$(dirname "$0")/.."

SIZE=${SIZE:-smoke}
WORKERS=${WORKERS:-2}
OUT=${1:-out/prove/$SIZE}
PATH="$PWD/.venv/bin:$PATH"
export VIRTUAL_ENV="$PWD/.venv" AMENT_PREFIX_PATH="$PWD/.venv" OMP_WAIT_POLICY=PASSIVE

# demonstrations, resting tables, glimpses of more scenes, steps on resting tables, rounds, rollouts of a round, training steps, of a round, scenes a family, families
case $SIZE in
smoke) DEMOS=4 TABLES=12 GLIMPSES=16 GROUNDING=5 ROUNDS=1 ROLLOUTS=1 STEPS=40 MORE=6 SCENES=1 FAMILIES=basic ;;
small) DEMOS=400 TABLES=4000 GLIMPSES=8000 GROUNDING=600 ROUNDS=2 ROLLOUTS=150 STEPS=4000 MORE=2000 SCENES=50 FAMILIES=basic,positional,size,illusion ;;
full) DEMOS=1000 TABLES=8000 GLIMPSES=30000 GROUNDING=1000 ROUNDS=3 ROLLOUTS=600 STEPS=20000 MORE=8000 SCENES=200 FAMILIES=basic,positional,size,illusion ;;
*)
    echo "SIZE=$SIZE: choose smoke, small or full" >&2
    exit 2
    ;;
esac
# a short training logs and validates often, and its batches and trials are small
SETTINGS=() TRIALS=()
if [ "$SIZE" = smoke ]; then
    SETTINGS=(--set batch_size=16 --set micro_batch_size=16 --set log_every=5
        --set evaluate_every=10 --set evaluate_batches=4 --set ema=0.9 --set validation_share=0.2)
    TRIALS=(--max-steps 20 --films 1)
fi

section() { printf '\n=== %s (%s s)\n' "$1" "$SECONDS"; }

collect() { # FOLDER NUM FIRST_SEED ARGUMENTS...
    local folder=$1 num=$2 seed=$3
    shift 3
    section "collect $folder"
    spatialbot episodes collect --task spatialqa_e --num "$num" --seed "$seed" \
        --workers "$WORKERS" --out "$folder" "$@"
    # at full size, checking every byte takes longer than it tells: the reader checks what it uses
    [ "$SIZE" = full ] || spatialbot episodes check --in "$folder" --require-label >/dev/null
}

train() { # RECIPE FOLDER ARGUMENTS...
    local recipe=$1 folder=$2
    shift 2
    section "train $folder"
    if [ -d "$folder/checkpoint" ]; then
        echo "$folder/checkpoint is there already"
    elif [ -d "$folder" ]; then
        spatialbot train "$recipe" --out "$folder" --cache "$OUT/cache" --resume
    else
        spatialbot train "$recipe" --out "$folder" --cache "$OUT/cache" \
            ${SETTINGS[@]+"${SETTINGS[@]}"} "$@"
    fi
}

evaluate() { # CHECKPOINT FOLDER ARGUMENTS...
    local checkpoint=$1 folder=$2
    shift 2
    section "evaluate $folder"
    spatialbot evaluate sim --checkpoint "$checkpoint" --families "$FAMILIES" \
        --episodes "$SCENES" --workers "$WORKERS" --out "$folder" ${TRIALS[@]+"${TRIALS[@]}"} "$@"
}

# whole episodes show how it goes on, glimpses of three steps show many tables and instructions
collect "$OUT/demos" "$DEMOS" 0 --noise
collect "$OUT/tables" "$TABLES" 800000 --glimpses --moments start --glimpse-steps 1
collect "$OUT/glimpses" "$GLIMPSES" 500000 --glimpses --glimpse-steps 3
seen=(--data "$OUT/glimpses" --data "$OUT/demos=0.3")
for recipe in mini-rgbd mini-rgb; do
    run="$OUT/$recipe"
    # where things are, before what to do about them
    train "$recipe-grounding" "$run/grounding" --data "$OUT/tables" --set steps="$GROUNDING"
    train "$recipe" "$run/round0" "${seen[@]}" --from "$run/grounding/checkpoint" \
        --set steps="$STEPS"
    data=("${seen[@]}")
    for ((round = 1; round <= ROUNDS; round++)); do
        previous="$run/round$((round - 1))/checkpoint"
        # each round has scenes of its own, the same for both recipes
        collect "$run/rollouts$round" "$ROLLOUTS" $((100000 * round)) --policy local \
            --checkpoint "$previous" --round "$round" --policy-share 0.6 --device cpu
        data+=(--data "$run/rollouts$round=2")
        train "$recipe" "$run/round$round" "${data[@]}" --from "$previous" --set steps="$MORE"
    done
    evaluate "$run/round0/checkpoint" "$OUT/evaluation/$recipe-before"
    evaluate "$run/round$ROUNDS/checkpoint" "$OUT/evaluation/$recipe"
done
# what is depth worth to the policy that has it?
evaluate "$OUT/mini-rgbd/round$ROUNDS/checkpoint" "$OUT/evaluation/depth-zero" --depth zero

section "compare"
for other in mini-rgb mini-rgbd-before depth-zero; do
    spatialbot evaluate compare "$OUT/evaluation/mini-rgbd" "$OUT/evaluation/$other" \
        --out "$OUT/evaluation/against-$other.json"
done
spatialbot evaluate figure "$OUT"/evaluation/{mini-rgbd,mini-rgb,mini-rgbd-before,depth-zero} \
    --title "Success by task family, $SIZE" --out "$OUT/success.png"

if [ "$SIZE" = smoke ]; then
    section "does it learn?"
    python - "$OUT"/mini-rgbd/round0 "$OUT"/mini-rgb/round0 <<'PYTHON'
import sys
from pathlib import Path

from spatialbot_model.training.run_log import read_metrics

for folder in map(Path, sys.argv[1:]):
    lines = read_metrics(folder)
    for split in ("train", "validation"):
        chosen = [line for line in lines if line["split"] == split]
        losses = [line["loss"] for line in chosen]
        errors_mm = [sum(line[f"error/d{axis}_mm"] for axis in "xyz") / 3 for line in chosen]
        for name, values in (("loss", losses), ("error [mm]", errors_mm)):
            first, last = values[0], sum(values[-2:]) / 2
            print(f"{folder.parent.name} {split} {name}: {first:.3g} -> {last:.3g}")
            if last >= first:
                sys.exit(f"{folder}: the {split} {name} does not fall")
PYTHON
    section "does it drive the demo?"
    # a policy of sixty steps need not succeed; it must answer, and nothing may fault
    spatialbot demo --policy local --checkpoint "$OUT/mini-rgbd/round$ROUNDS/checkpoint" \
        --max-steps 20 --record none --output "$OUT/demo" --json >"$OUT/demo.json" || true
    python - "$OUT/demo.json" <<'PYTHON'
import json
import sys
from pathlib import Path

summary = json.loads(Path(sys.argv[1]).read_text())
steps = sum(episode["steps"] for episode in summary["episodes"])
print(f"{summary['faults']} faults in {steps} steps")
sys.exit(summary["faults"] > 0 or steps == 0)
PYTHON
fi
section "done: $OUT/success.png"
