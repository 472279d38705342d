#!/bin/bash
set -e
MODEL=${MODEL:-HuggingFaceTB/SmolVLM-256M-Instruct}
gpus=4
LORA=(--lora_rank 16 --lora_alpha "32")

# Train.
NPROC_PER_NODE=$gpus \
MAX_PIXELS=1003520 \
swift sft \
    --model "$MODEL" \
    --train_type lora \
    "${LORA[@]}" \
    --dataset 'med/chest#2000' \
              'med/skin#500' \
    --per_device_train_batch_size 1 \
    --gradient_accumulation_steps $(expr 16 / $gpus) \
    --learning_rate=1e-4 \
    --output_dir "$OUT/chest" \
    --freeze_vit false \
    --vit_lr $VIT_LR \
    --deepspeed zero2 2>&1 | tee train.log

swift infer --adapters output/chest --stream true
