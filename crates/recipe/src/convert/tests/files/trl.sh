accelerate launch \
    --config_file examples/accelerate_configs/deepspeed_zero3.yaml \
    --num_processes 8 \
    examples/scripts/sft_vlm.py \
    --dataset_name org/llava-mix \
    --model_name_or_path HuggingFaceTB/SmolVLM-Instruct \
    --per-device-train-batch-size 2 \
    --gradient_accumulation_steps 4 \
    --output_dir SmolVLM-SFT \
    --torch_dtype bfloat16 \
    --no_gradient_checkpointing \
    --use_peft \
    --lora_target_modules down_proj, o_proj, k_proj, q_proj
