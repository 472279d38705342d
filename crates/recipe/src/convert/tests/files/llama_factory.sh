FORCE_TORCHRUN=1 CUDA_VISIBLE_DEVICES=0,1,2 llamafactory-cli train llama_factory_steps.yaml \
  learning_rate=1e-5 'lora_target=q_proj,v_proj' max_steps=50
