//! Processor, model, adapters and gradients, compared with transformers, PEFT, bitsandbytes and Pillow as recorded in
//! `tests/parity`.

mod adapter_folders;
mod conversation;
mod devices;
mod families;
mod fixtures;
mod gradient_checkpointing;
mod lora;
mod model;
mod processor;
mod qlora;
mod real_size;
mod second_backend;
mod variants;
mod weights;
