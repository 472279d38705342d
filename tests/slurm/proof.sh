#!/usr/bin/env bash
# Test of a study as an array job on a real Slurm: six runs on one node. One run is killed and requeued. Another gets the signal that its
# time is up, saves, and requeues itself. All runs must finish, and these two must be bit-identical to undisturbed runs. The name of the
# output folder contains characters that Slurm would misread without quotes.
#
#     tests/slurm/proof.sh PATH/TO/stepwise
#
# Needs Debian's slurm-wlm and munge (`apt-get install slurm-wlm munge`) and root, because slurmd runs as root. All daemons use their own
# folder and ports and end with this script. It takes five minutes. Slurm waits two of them before it starts a requeued job.
set -euo pipefail

stepwise=$(realpath "${1:?the stepwise program}")
for program in munged slurmctld slurmd sbatch scontrol squeue; do
  command -v "$program" >/dev/null || { echo "skipped: $program is not installed (apt-get install slurm-wlm munge)"; exit 0; }
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: slurmd runs as root"; exit 0; }

place=$(mktemp -d)
out='runs at 50%'
pids=()
array=
finish() {
  code=$?
  if [ -n "$array" ]; then scancel --signal=KILL --full "$array" 2>/dev/null || true; fi
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  sleep 1
  if [ "$code" -ne 0 ]; then tail -n 20 "$place"/*.log "$place/site/$out"/*.out 2>/dev/null || true; fi
  rm -rf "$place"
  exit "$code"
}
trap finish EXIT

# --- one node -----------------------------------------------------------------------------------------------------------
node=$(hostname -s)
mkdir -p "$place"/{state,spool,munge,site,bin}
ln -s "$stepwise" "$place/bin/stepwise"
chmod 0711 "$place"
chmod 0700 "$place/munge"
dd if=/dev/urandom of="$place/munge/key" bs=1024 count=1 status=none
chmod 0400 "$place/munge/key"
cat >"$place/slurm.conf" <<CONF
ClusterName=proof
SlurmctldHost=$node(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket=$place/munge/socket
CredType=cred/munge
StateSaveLocation=$place/state
SlurmdSpoolDir=$place/spool
SlurmctldPidFile=$place/slurmctld.pid
SlurmdPidFile=$place/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
JobRequeue=1
KillWait=5
ReturnToService=2
NodeName=$node NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF="$place/slurm.conf"
munged --foreground --force --key-file="$place/munge/key" --socket="$place/munge/socket" --pid-file="$place/munge/pid" \
  --log-file="$place/munge/log" --seed-file="$place/munge/seed" >"$place/munged.log" 2>&1 &
pids+=($!)
for _ in $(seq 50); do [ -S "$place/munge/socket" ] && break; sleep 0.2; done
slurmctld -D >"$place/slurmctld.log" 2>&1 &
pids+=($!)
slurmd -D -N "$node" >"$place/slurmd.log" 2>&1 &
pids+=($!)
for _ in $(seq 150); do sinfo -h -o %T 2>/dev/null | grep -q '^idle' && break; sleep 0.2; done
sinfo

# --- a study of six runs of about ten seconds each --------------------------------------------------------------------------
cd "$place/site"
cat >sizes.toml <<'TOML'
vocab_size = 400
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 2
num_attention_heads = 4
num_key_value_heads = 2
vision_hidden_size = 32
vision_intermediate_size = 64
vision_num_hidden_layers = 1
vision_num_attention_heads = 2
image_size = 64
patch_size = 16
scale_factor = 2
TOML
"$stepwise" new-model model --sizes sizes.toml --cases 40 --seed 3 >/dev/null
cat >base.toml <<'TOML'
model_name_or_path = "model"

[lora]
r = 2

[data]
synth = { cases = 24, seed = 2, image_size = 64 }
max_samples = 16

[train]
per_device_train_batch_size = 2
gradient_accumulation_steps = 2
learning_rate = 5e-3
num_train_epochs = 60
save_steps = 20

[benchmark]
suite = "fast"
max_cases = 2
every = 1000
TOML
cat >study.toml <<'TOML'
name = "proof"
base = "base.toml"
output_dir = "runs at 50%"
seeds = [1, 2, 3]
primary = ["accuracy:clean"]

[axes.order]
joint = { curriculum.order = "shuffled" }
stepwise = { curriculum.order = "stepwise" }
TOML
mkdir -p "$out"
"$stepwise" study emit study.toml --target slurm --device cpu >job.sh
array=$(PATH="$place/bin:$PATH" sbatch --parsable job.sh)
echo "array job $array"

# --- one run is killed; another gets the signal that Slurm sends before the end of --time -------------------------------------
victim="$out/joint/seed-1"
late="$out/stepwise/seed-1"
checkpoint() { for _ in $(seq 600); do compgen -G "$1/checkpoint-*" >/dev/null && break; sleep 0.1; done; }
checkpoint "$victim"
kill -KILL "$(sed 's/.*"pid":\([0-9]*\).*/\1/' "$victim.claim")"
checkpoint "$late"
# scancel may report a failure and retry although the signal has arrived. The output of the job shows whether it has.
timeout 10 scancel --signal=USR1 --batch "${array}_1" || true
for _ in $(seq 300); do squeue -h -o '%K %T' | grep -q '^[01] RUNNING' || break; sleep 0.1; done
for run in "$victim" "$late"; do
  if [ -e "$run/finished.json" ]; then echo "$run finished before it was disturbed" >&2; exit 1; fi
done
echo "killed task 0 after $(ls -d "$victim"/checkpoint-* | sort -V | tail -n 1); its claim: $(cat "$victim.claim")"
scontrol requeue "${array}_0"
# The other run has saved and released its claim. It has also requeued itself, because it resumes below.
grep "interrupted after" "$out/slurm-1.out"
[ ! -e "$late.claim" ]

# --- all runs finish ------------------------------------------------------------------------------------------------------------
for _ in $(seq 900); do
  [ "$(ls "$out"/*/seed-*/finished.json 2>/dev/null | wc -l)" -eq 6 ] && [ -z "$(squeue -h)" ] && break
  sleep 1
done
"$stepwise" study run study.toml --dry-run
[ "$("$stepwise" study run study.toml --dry-run | grep -c ' finished$')" -eq 6 ]
grep -h "left behind by" "$out/slurm-0.out"
grep -h "resumed after" "$out/slurm-0.out"
grep -h "resumed after" "$out/slurm-1.out"
mkdir disturbed
mv "$victim" disturbed/0
mv "$late" disturbed/1
for task in 0 1; do
  "$stepwise" study run study.toml --task "$task" --device cpu 2>/dev/null
  run=$([ "$task" -eq 0 ] && echo "$victim" || echo "$late")
  last=$(ls -d "disturbed/$task"/checkpoint-* | sort -V | tail -n 1)
  for file in adapter_model.safetensors optimizer.safetensors trainer_state.json; do
    cmp "$last/$file" "$run/$(basename "$last")/$file"
  done
done
"$stepwise" study report study.toml | head -n 8
echo "passed: six runs of an array job, one killed and requeued, one out of time, both bit-identical to undisturbed runs"
